import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HTTP } from "@cerbos/http";
import {
  createGuard,
  type AuthorizationDeniedError,
  type Decision,
  type Denial,
  type GuardOptions,
  type Hop,
  type PrincipalInput,
  type Session,
  type TaskInput,
} from "hopguard";
import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import { startPdp, type LocalPdp } from "hopguard/pdp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRecorder } from "../support/audit-recorder";
import { startPdpWith } from "../support/policies";
import { startTestPdp, testPdps } from "../support/test-pdp";

/** Long, because a test machine may be busy. */
const PATIENCE_MS = 10_000;

const user = (role: string): PrincipalInput => ({ id: `${role}-id`, roles: [role] });
const task: TaskInput = { id: "T-1001", attr: { ticket_id: "T-1001" } };

const refund = (args: Record<string, unknown> = {}): Hop => ({
  kind: "mcp_payments",
  action: "tools/call/refund_issue",
  attr: {
    transport: "http",
    effect: "side_effect",
    arguments: { ticket_id: "T-1001", payment_id: "P-1", amount_cents: 4000, ...args },
  },
});

const without = (name: string): Hop => {
  const { attr, ...hop } = refund();
  const args = { ...(attr?.arguments as Record<string, unknown>) };
  Reflect.deleteProperty(args, name);
  return { ...hop, attr: { ...attr, arguments: args } };
};

const denialOf = (decision: Decision): Partial<Denial> => (decision.effect === "deny" ? decision.denial : {});
const codeOf = (decision: Decision): string => denialOf(decision).code ?? "allowed";

describe.each(testPdps())("the support desk on Cerbos $name", ({ name, binary, strict }) => {
  let server: LocalPdp;

  beforeAll(async () => {
    server = await startPdp({ policies: "policies", binary, strict, watch: false });
  });
  afterAll(() => server.stop());

  /** Both ways to a PDP must say the same. */
  describe.each<[string, () => CerbosPdp]>([
    ["by URL", () => cerbos(server.url, { timeoutMs: PATIENCE_MS })],
    ["by a client of @cerbos/http", () => cerbos(new HTTP(server.url), { timeoutMs: PATIENCE_MS })],
  ])("asked %s", (_, connect) => {
    let pdp: CerbosPdp;
    beforeAll(() => {
      pdp = connect();
    });
    afterAll(() => pdp.close());

    const session = (
      principal: PrincipalInput,
      options: Partial<GuardOptions> = {},
      bound: { task?: TaskInput } = { task },
    ): Promise<Session> =>
      createGuard({ pdp, audit: () => undefined, timeoutMs: PATIENCE_MS, ...options }).session({
        principal,
        agent: { id: "refund-bot", roles: ["support-agent"], harness: "support-desk" },
        ...bound,
      });

    it("allows a refund within the cap, on the ticket of the task", async () => {
      const tier1 = await session(user("tier-1-support"));
      expect(await tier1.check(refund())).toMatchObject({
        effect: "allow",
        hop: { attr: refund().attr as object },
      });
      expect(codeOf(await tier1.check(refund({ amount_cents: 5000 })))).toBe("allowed");
      expect(
        codeOf(await (await session(user("tier-2-lead"))).check(refund({ amount_cents: 900_000 }))),
      ).toBe("allowed");
    });

    it("denies above the cap, and says who may approve", async () => {
      const decision = await (await session(user("tier-1-support"))).check(refund({ amount_cents: 900_000 }));
      expect(denialOf(decision)).toEqual({
        decision: "deny",
        code: "policy_denied",
        reason: "tier-1-support refund cap exceeded",
        remediation: { type: "step_up", approvers_role: "tier-2-lead" },
        retryable: false,
        hop: { kind: "mcp_payments", name: "payments", action: "tools/call/refund_issue" },
        refused_by: "subject",
        decision_id: decision.decisionId,
      });
      const lead = await session(user("tier-2-lead"));
      expect(denialOf(await lead.check(refund({ amount_cents: 1_000_001 })))).toMatchObject({
        reason: "tier-2-lead refund cap exceeded",
      });
    });

    it("denies for another ticket, whatever the amount, and offers no way round", async () => {
      const tier1 = await session(user("tier-1-support"));
      for (const amount_cents of [1, 900_000]) {
        const denial = denialOf(await tier1.check(refund({ ticket_id: "T-2002", amount_cents })));
        expect(denial).toMatchObject({
          code: "policy_denied",
          reason: "refund is not for the ticket of this task",
        });
        expect(denial).not.toHaveProperty("remediation");
      }
    });

    it("denies without a task", async () => {
      const taskless = await session(user("tier-1-support"), {}, {});
      expect(denialOf(await taskless.check(refund()))).toMatchObject({
        reason: "a refund needs a task with a ticket",
      });
    });

    it.each([["4000"], ["9000"], [null], [[9000]], [{ v: 9000 }], [true], [-4000], [0], [0.5]])(
      "denies an amount of %j as wrong arguments",
      async (amount_cents) => {
        const tier1 = await session(user("tier-1-support"));
        expect(denialOf(await tier1.check(refund({ amount_cents })))).toMatchObject({
          code: "arguments_invalid",
          reason: "arguments.amount_cents: not what the policy's schema accepts.",
          retryable: false,
        });
      },
    );

    it.each(["amount_cents", "payment_id", "ticket_id"])(
      "denies a refund without %s as wrong arguments",
      async (name) => {
        const tier1 = await session(user("tier-1-support"));
        expect(codeOf(await tier1.check(without(name)))).toBe("arguments_invalid");
      },
    );

    it("denies a refund without any arguments", async () => {
      const tier1 = await session(user("tier-1-support"));
      expect(codeOf(await tier1.check({ kind: "mcp_payments", action: "tools/call/refund_issue" }))).toBe(
        "policy_denied",
      );
    });

    it("tells always, conditional and never apart", async () => {
      const tools = [
        "balance_get",
        "refund_issue",
        "account_delete",
        "constructor",
        "Refund_Issue",
        "refund issue",
      ];
      expect(await (await session(user("tier-1-support"))).visible("payments", tools)).toEqual({
        balance_get: "always",
        refund_issue: "conditional",
        account_delete: "never",
        constructor: "never",
        Refund_Issue: "never",
        "refund issue": "never",
      });
      const triage = await session(user("autonomous-triage"));
      expect(await triage.visible("payments", ["balance_get", "refund_issue"])).toEqual({
        balance_get: "never",
        refund_issue: "never",
      });
      expect(await triage.visible("tickets", ["ticket_comment"])).toEqual({ ticket_comment: "always" });
      expect(await triage.visible("pay-roll", ["salary_get"])).toEqual({ salary_get: "never" });
      expect(await triage.visible({ toolset: "payments" }, ["balance_get"])).toEqual({
        balance_get: "never",
      });
    });

    it("shows an agent that is a principal the least of what both may", async () => {
      const principal = user("tier-1-support");
      const guard = createGuard({ pdp, audit: () => undefined, agents: "principal", timeoutMs: PATIENCE_MS });
      const visible = async (roles: readonly string[]) =>
        (await guard.session({ principal, task, agent: { id: "bot", roles } })).visible("payments", [
          "balance_get",
          "refund_issue",
        ]);
      expect(await visible(["support-agent"])).toEqual({
        balance_get: "always",
        refund_issue: "conditional",
      });
      expect(await visible(["triage-agent"])).toEqual({ balance_get: "never", refund_issue: "never" });
    });

    it("answers for models, servers and tools together, and records each look-up as one", async () => {
      const audit = auditRecorder();
      const catalogue = {
        models: ["gpt-4o", "gpt-4o-mini", "o9-preview", "gpt-4o "],
        servers: ["tickets", "payments", "payroll"],
        tools: { payments: ["balance_get", "refund_issue"], payroll: ["salary_get"] },
        toolsets: { shell: ["run"] },
        agents: ["billing"],
      };
      const triage = await session(user("autonomous-triage"), { audit, catalogue });
      expect(await triage.capabilities()).toEqual({
        models: { "gpt-4o": "never", "gpt-4o-mini": "always", "o9-preview": "never", "gpt-4o ": "never" },
        servers: { tickets: "always", payments: "never", payroll: "never" },
        tools: {
          payments: { balance_get: "never", refund_issue: "never" },
          payroll: { salary_get: "never" },
        },
        toolsets: { shell: { run: "never" } },
        agents: { billing: "never" },
      });
      expect(audit.records.length).toBeGreaterThan(0);
      expect(
        audit.records.every(({ flags, effect }) => flags.includes("look_up") && effect === "allow"),
      ).toBe(true);
    });

    it("shows 120 tools of one server, each by its own name", async () => {
      const names = Array.from({ length: 120 }, (_, index) =>
        index % 40 === 0 ? `x/${index}` : `tool_${index}`,
      );
      const tier1 = await session(user("tier-1-support"));
      const seen = await tier1.visible("tickets", [...names, "ticket_get"]);
      expect(Object.entries(seen).filter(([, visibility]) => visibility !== "never")).toEqual([
        ["ticket_get", "always"],
      ]);
    });

    it("is joined with our record by its own call's id and by the policy", async () => {
      const audit = auditRecorder();
      const tier1 = await session(user("tier-1-support"), { audit });
      const { decisionId } = await tier1.check(refund());
      expect(audit.of(decisionId)).toMatchObject([
        {
          pdp_call_ids: [expect.stringMatching(/^[0-9A-Z]{26}$/)],
          matched_policies: [expect.stringContaining("mcp_payments")],
        },
      ]);
    });
  });

  it(`denies whoever the policies do not know, as ${name} does`, async () => {
    const pdp = cerbos(server.url, { timeoutMs: PATIENCE_MS });
    const guard = createGuard({ pdp, audit: () => undefined, timeoutMs: PATIENCE_MS });
    const session = await guard.session({
      principal: user("stranger"),
      agent: { id: "bot", roles: ["tier-2-lead"] },
      task,
    });
    for (const hop of [
      refund(),
      { kind: "mcp_payments", action: "initialize" },
      { kind: "mcp_nowhere", action: "initialize" },
      { kind: "llm_model", id: "gpt-4o-mini", action: "completion" },
      { kind: "llm_model", id: "gpt-4o", action: "hosted_tools/web_search" },
    ]) {
      expect(codeOf(await session.check(hop))).toBe("policy_denied");
    }
    pdp.close();
  });
});

describe.each(testPdps())("an output whose expression fails, on Cerbos $name", (on) => {
  // What it says is written by whoever writes the arguments.
  const failing = '{"reason": "not " + R.attr.arguments.colour}';
  const roles = ["clerk"];
  const rule = { effect: "EFFECT_ALLOW" as const, roles };
  let server: LocalPdp;

  beforeAll(async () => {
    server = await startPdpWith(
      [
        {
          kind: "document",
          rules: [
            { ...rule, actions: ["read"], output: { when: { ruleActivated: failing } } },
            {
              ...rule,
              actions: ["write"],
              condition: { match: { expr: `P.id == "nobody"` } },
              output: { when: { conditionNotMet: failing } },
            },
            { ...rule, actions: ["sign"] },
          ],
        },
        {
          kind: "mcp_shop",
          rules: [
            { ...rule, actions: ["tools/call/look"] },
            {
              ...rule,
              actions: ["tools/call/paint"],
              condition: { match: { expr: `R.attr.arguments.colour == "red"` } },
              output: { when: { conditionNotMet: failing } },
            },
          ],
        },
      ],
      { on },
    );
  });
  afterAll(() => server.stop());

  it.each<[string, () => CerbosPdp]>([
    ["by URL", () => cerbos(server.url, { timeoutMs: PATIENCE_MS })],
    ["by a client of @cerbos/http", () => cerbos(new HTTP(server.url), { timeoutMs: PATIENCE_MS })],
  ])("decides nothing, for it and for checks that share its request: %s", async (_, connect) => {
    const pdp = connect();
    const guard = createGuard({ pdp, audit: () => undefined, timeoutMs: PATIENCE_MS });
    const session = await guard.session({ principal: { id: "u-1", roles }, agent: { id: "bot" } });
    const check = (action: string, colour?: string) =>
      session.check({ kind: "document", id: action, action, attr: { arguments: colour ? { colour } : {} } });
    const checks = [check("read"), check("write"), check("sign"), check("write", "red")];
    expect((await Promise.all(checks)).map((decision) => denialOf(decision))).toMatchObject([
      {},
      { code: "policy_denied", reason: "The policy does not allow this." },
      {},
      { code: "policy_denied", reason: "not red" },
    ]);
    expect((await Promise.all(checks)).map(({ effect }) => effect)).toEqual([
      "allow",
      "deny",
      "allow",
      "deny",
    ]);
    // While lists are filtered there are no arguments, and such an output always fails.
    const seen = { look: "always", paint: "conditional", paintbrush: "never" };
    expect(await session.visible("shop", Object.keys(seen))).toEqual(seen);
    pdp.close();
  });
});

describe("policies of a version and a scope", () => {
  let folder: string;
  let server: LocalPdp;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "hopguard-scopes-"));
    const policy = (action: string, where: { version?: string; scope?: string }) =>
      writeFile(
        join(folder, `${action}.json`),
        JSON.stringify({
          apiVersion: "api.cerbos.dev/v1",
          resourcePolicy: {
            resource: "document",
            version: "default",
            ...where,
            rules: [{ actions: [action], effect: "EFFECT_ALLOW", roles: ["*"] }],
          },
        }),
      );
    await Promise.all([
      policy("read", {}),
      policy("write", { scope: "acme" }),
      policy("archive", { version: "v2" }),
      policy("sign", { scope: "globex" }),
    ]);
    server = await startTestPdp({ policies: folder });
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  const allowedBy = async (pdp: CerbosPdp, id = "u-1@acme"): Promise<string[]> => {
    const guard = createGuard({ pdp, audit: () => undefined, timeoutMs: PATIENCE_MS });
    const session = await guard.session({ principal: { id, roles: ["clerk"] }, agent: { id: "bot" } });
    const allowed: string[] = [];
    for (const action of ["read", "write", "archive", "sign"]) {
      if ((await session.check({ kind: "document", id: "1", action })).effect === "allow")
        allowed.push(action);
    }
    pdp.close();
    return allowed;
  };
  const patient = { timeoutMs: PATIENCE_MS };

  it("are those that the operator chose", async () => {
    expect(await allowedBy(cerbos(server.url, patient))).toEqual(["read"]);
    expect(await allowedBy(cerbos(server.url, { ...patient, policyVersion: "v2" }))).toEqual(["archive"]);
    expect(await allowedBy(cerbos(server.url, { ...patient, policyVersion: "v9" }))).toEqual([]);
    expect(await allowedBy(cerbos(server.url, { ...patient, scope: "acme" }))).toEqual(["read", "write"]);
    expect(await allowedBy(cerbos(new HTTP(server.url), { ...patient, scope: "acme" }))).toEqual([
      "read",
      "write",
    ]);
  });

  it("may follow from the verified principal", async () => {
    const scope = ({ id }: { id: string }): string => id.split("@")[1] ?? "";
    expect(await allowedBy(cerbos(server.url, { ...patient, scope }))).toEqual(["read", "write"]);
    expect(await allowedBy(cerbos(server.url, { ...patient, scope }), "u-2@globex")).toEqual([
      "read",
      "sign",
    ]);
  });

  it.each<[string, () => string]>([
    [
      "throws",
      () => {
        throw new Error("no tenant");
      },
    ],
    ["is no text", () => 7 as never],
    ["is no scope", () => "a b/../c"],
    ["is unknown", () => "initech"],
  ])("allow nothing when the scope %s", async (_, scope) => {
    expect(await allowedBy(cerbos(server.url, { ...patient, scope }))).toEqual([]);
  });
});

describe("a PDP that goes away", () => {
  const TIMEOUT_MS = 2000;
  const connections: [string, (url: string) => CerbosPdp][] = [
    ["by URL", (url) => cerbos(url, { timeoutMs: TIMEOUT_MS })],
    ["by a client of @cerbos/http", (url) => cerbos(new HTTP(url), { timeoutMs: TIMEOUT_MS })],
  ];

  it.each(connections)(
    "denies while it is away, and works again by itself when it is back: %s",
    async (_, connect) => {
      let server = await startTestPdp({ policies: "policies" });
      const port = Number(new URL(server.url).port);
      const pdp = connect(server.url);
      const guard = createGuard({ pdp, audit: () => undefined, visibilityTtlMs: 0, timeoutMs: PATIENCE_MS });
      const session = await guard.session({
        principal: user("tier-1-support"),
        agent: { id: "refund-bot" },
        task,
      });
      try {
        expect(codeOf(await session.check(refund()))).toBe("allowed");
        await server.stop();
        const started = performance.now();
        expect(denialOf(await session.check(refund()))).toMatchObject({
          code: "pdp_unavailable",
          retryable: true,
        });
        expect(performance.now() - started).toBeLessThan(TIMEOUT_MS + 1000);
        await expect(session.visible("payments", ["balance_get"])).rejects.toMatchObject({
          denial: { code: "pdp_unavailable" },
        } satisfies { denial: Partial<AuthorizationDeniedError["denial"]> });
        server = await startTestPdp({ policies: "policies", port });
        expect(codeOf(await session.check(refund()))).toBe("allowed");
        expect(await session.visible("payments", ["balance_get"])).toEqual({ balance_get: "always" });
      } finally {
        pdp.close();
        await server.stop();
      }
    },
  );

  it.each(connections)(
    "in the middle of twenty checks leaves each with an answer: %s",
    async (_, connect) => {
      const server = await startTestPdp({ policies: "policies" });
      const pdp = connect(server.url);
      const guard = createGuard({ pdp, audit: () => undefined, timeoutMs: PATIENCE_MS });
      const sessions = await Promise.all(
        Array.from({ length: 20 }, () =>
          guard.session({ principal: user("tier-1-support"), agent: { id: "bot" }, task }),
        ),
      );
      try {
        const check = () => sessions.map((session) => session.check(refund()));
        expect((await Promise.all(check())).map(codeOf)).toEqual(Array(20).fill("allowed"));
        // Sessions of their own, so that each check is a request of its own, and some are under way when the PDP dies.
        const checks = check();
        const stopped = server.stop();
        const codes = (await Promise.all(checks)).map(codeOf);
        expect(codes.every((code) => code === "allowed" || code === "pdp_unavailable")).toBe(true);
        await stopped;
        expect((await Promise.all(check())).map(codeOf)).toEqual(Array(20).fill("pdp_unavailable"));
      } finally {
        pdp.close();
        await server.stop();
      }
    },
  );
});
