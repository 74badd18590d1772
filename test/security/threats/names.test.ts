import { ConfigurationError, createGuard, type GuardOptions, type Hop, type Session } from "hopguard";
import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import { guardFetch } from "hopguard/fetch";
import { guardTransport } from "hopguard/mcp";
import { guardTools } from "hopguard/tools";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Rule } from "../../support/policies";
import { expectNothingSent, onEveryPdp, openStage, type Stage } from "../../support/threats";

/** Names that the PDP would fold into another's, match as a pattern, or take for something of its own. */
const wrongNames: readonly [string, unknown][] = [
  ["a hyphen", "pay-roll"],
  ["a dot", "pay.roll"],
  ["a colon", "pay:roll"],
  ["a slash", "pay/roll"],
  ["an at", "pay@roll"],
  ["a space", "pay roll"],
  ["a space behind it", "payroll "],
  ["a newline behind it", "payroll\n"],
  ["a capital", "Payroll"],
  ["a Cyrillic letter", "pаyroll"],
  ["a full-width letter", "ｐayroll"],
  ["a zero-width space", "pay\u200broll"],
  ["a NUL", "payroll\u0000"],
  ["a glob", "pay*"],
  ["a question mark", "payrol?"],
  ["nothing", ""],
  ["65 characters", "a".repeat(65)],
  ["__proto__ with a capital", "__Proto__"],
  ["a list", ["payroll"]],
  ["null", null],
  ["absence", undefined],
  ["a number", 1],
  ["an object with toString", { toString: () => "payroll" }],
];

const wrongRoles: readonly [string, unknown][] = [
  ["a glob", ["*"]],
  ["a glob of a part", ["cl*"]],
  ["a question mark", ["cler?"]],
  ["a class of characters", ["[a-z]lerk"]],
  ["braces", ["{clerk,keeper}"]],
  ["another case", ["Clerk"]],
  ["two in one", ["clerk,keeper"]],
  ["a space in it", ["cl erk"]],
  ["a Cyrillic letter", ["сlerk"]],
  ["a zero-width space", ["clerk\u200b"]],
  ["__proto__", ["__proto__"]],
  ["constructor", ["constructor"]],
];

onEveryPdp("names that mean something to a policy", (pdp) => {
  let stage: Stage;
  let decider: CerbosPdp;
  let clerk: Session;

  const rule = (roles: readonly string[], actions: readonly string[], expr?: string): Rule => ({
    actions,
    effect: "EFFECT_ALLOW",
    roles,
    ...(expr !== undefined && { condition: { match: { expr } } }),
  });
  beforeAll(async () => {
    stage = await openStage(pdp, {
      policies: [
        { kind: "mcp_pay_roll", rules: [rule(["clerk"], ["*"])] },
        { kind: "mcp_globs", rules: [rule(["clerk"], ["tools/call/crm_*", "initialize"])] },
        {
          kind: "ledger",
          rules: [
            rule(["clerk"], ["read"], "R.attr.owner == P.id"),
            rule(["clerk", "agent", "helper-role"], ["open"]),
            rule(["clerk"], ["trust"], "P.attr.auth.verified == true"),
            rule(
              ["clerk"],
              ["impersonate"],
              'P.attr.type == "service" || P.attr.agent.id == "root" || P.attr.task.id == "T-9"',
            ),
            rule(
              ["clerk"],
              ["produce"],
              'R.attr.context.environment == "production" || has(R.attr.facts.risk)',
            ),
          ],
        },
      ],
    });
    decider = cerbos(stage.pdpUrl, { timeoutMs: 10_000 });
    clerk = await stage.session("clerk", { guard: { repeats: false } });
  });
  afterAll(async () => {
    decider.close();
    await stage.close();
  });
  beforeEach(() => stage.reset());

  const guard = (options: Partial<GuardOptions> = {}) =>
    createGuard({ pdp: decider, audit: () => undefined, timeoutMs: 10_000, repeats: false, ...options });
  const alice = { id: "alice", roles: ["clerk"] };
  const bot = { id: "bot" };
  const ledger = (action: string, attr: Record<string, unknown> = {}): Hop => ({
    kind: "ledger",
    id: "1",
    action,
    attr,
  });
  const codeOf = async (session: Session, hop: unknown): Promise<string> => {
    const decision = await session.check(hop as Hop);
    return decision.effect === "deny" ? decision.denial.code : "allowed";
  };

  describe("in the factories", () => {
    const transport = {
      start: () => Promise.resolve(),
      send: () => Promise.resolve(),
      close: () => Promise.resolve(),
    };

    it.each(wrongNames)("a server's or a toolset's name with %s is refused", (_, name) => {
      expect(() => guardTransport(transport, clerk, { server: name as string })).toThrow(ConfigurationError);
      expect(() => guardTools({}, clerk, { toolset: name as string })).toThrow(ConfigurationError);
      const baseURL = stage.provider.openaiBaseURL;
      expect(() => guardFetch(clerk, { baseURL, tools: { x: { server: name as string } } })).toThrow(
        ConfigurationError,
      );
      expect(() =>
        guardFetch(clerk, { baseURL, hostedServers: { "https://x.example": name as string } }),
      ).toThrow(ConfigurationError);
    });

    it.each(["__proto__", "constructor", "tostring", "a".repeat(64), "pay_roll", "7"])(
      "a server may be named %s, and is nothing but that",
      async (server) => {
        const guarded = guardTransport(transport, clerk, { server });
        if (server === "pay_roll") await guarded.start();
        else
          await expect(guarded.start()).rejects.toMatchObject({
            denial: { code: "policy_denied", hop: { kind: `mcp_${server}` } },
          });
      },
    );

    it.each(["a tool", "tool*", "tool?", "", "t\u0000", "töol", "x".repeat(129), "tool\n"])(
      "a local tool's name %j is refused",
      (name) => {
        expect(() => guardTools({ [name]: () => 1 }, clerk, { toolset: "till" })).toThrow(ConfigurationError);
      },
    );
  });

  describe("in a hop of the application's own", () => {
    it.each<[string, string, string | undefined, string]>([
      ["a kind in capitals", "LLM_MODEL", "gpt-4o-mini", "completion"],
      ["a kind in one capital", "Mcp_pay_roll", "x", "initialize"],
      ["a server without a name", "mcp_", undefined, "initialize"],
      ["a server with two underscores", "mcp_pay__roll", undefined, "initialize"],
      ["a server with a capital", "mcp_Pay_roll", undefined, "initialize"],
      ["a kind that is folded", "mcp_pay-roll", undefined, "initialize"],
      ["a kind with a colon", "mcp:pay_roll", "x", "initialize"],
      ["a kind with a scope", "mcp_pay_roll/default", undefined, "initialize"],
      ["a kind with a space", "mcp_pay_roll ", undefined, "initialize"],
      ["a kind that is a glob", "mcp_*", undefined, "initialize"],
      ["a kind that is every kind", "*", "x", "initialize"],
      ["a policy's full name", "resource.mcp_pay_roll.vdefault", "x", "initialize"],
      ["__proto__ as a kind", "__proto__", "x", "read"],
      ["constructor as a kind", "constructor", "x", "read"],
      ["no kind", "", "x", "read"],
      ["a glob as an action", "mcp_globs", undefined, "tools/call/crm_*"],
      ["every tool", "mcp_globs", undefined, "tools/call/*"],
      ["no tool", "mcp_globs", undefined, "tools/call/"],
      ["a tool in another case", "mcp_globs", undefined, "tools/call/CRM_get"],
      ["a method in another case", "mcp_globs", undefined, "Tools/Call/crm_get"],
      ["a method with a double slash", "mcp_globs", undefined, "tools//call/crm_get"],
      ["a method with a slash before it", "mcp_globs", undefined, "/tools/call/crm_get"],
      ["a path to another tool", "mcp_globs", undefined, "tools/call/../call/crm_get"],
      ["a tool with a space", "mcp_globs", undefined, "tools/call/ crm_get"],
      ["a tool with a colon", "mcp_globs", undefined, "tools/call/crm_x:y"],
      ["a tool with a newline", "mcp_globs", undefined, "tools/call/crm_\nx"],
      ["a tool with a Cyrillic letter", "mcp_globs", undefined, "tools/call/сrm_get"],
      ["a slash behind an action", "mcp_globs", undefined, "initialize/"],
      ["a dot behind an action", "mcp_globs", undefined, "initialize."],
      ["constructor as an action", "mcp_globs", undefined, "constructor"],
      ["__proto__ as an action", "mcp_globs", undefined, "__proto__"],
      ["no action", "mcp_globs", undefined, ""],
      ["every action", "mcp_globs", undefined, "*"],
    ])("%s is denied", async (_, kind, id, action) => {
      expect(await codeOf(clerk, { kind, action, ...(id !== undefined && { id }) })).not.toBe("allowed");
    });

    it("a list or an object in place of a name is denied", async () => {
      for (const wrong of [["initialize"], { toString: () => "initialize" }, null, 1, Symbol("initialize")]) {
        expect(await codeOf(clerk, { kind: "mcp_globs", action: wrong })).toBe("unsupported_hop");
        expect(await codeOf(clerk, { kind: wrong, id: "x", action: "initialize" })).toBe("unsupported_hop");
      }
      expect(await codeOf(clerk, { kind: "mcp_globs", action: "initialize" })).toBe("allowed");
      expect(await codeOf(clerk, { kind: "mcp_globs", action: "tools/call/crm_get" })).toBe("allowed");
    });

    it.each<[string, Record<string, unknown>]>([
      ["context", { context: { environment: "production" } }],
      ["facts", { facts: { risk: 1 } }],
      ["context by toJSON", { toJSON: () => ({ context: { environment: "production" } }) }],
      ["__proto__", JSON.parse('{"__proto__":{"facts":{"risk":1}}}') as Record<string, unknown>],
      [
        "an inherited context",
        Object.create({ context: { environment: "production" } }) as Record<string, unknown>,
      ],
      [
        "a context that is not enumerable",
        Object.defineProperty({}, "context", { value: { environment: "production" } }),
      ],
      ["context in another case", { Context: { environment: "production" } }],
    ])("the guard's own %s cannot be given", async (_, attr) => {
      expect(await codeOf(clerk, ledger("produce", attr))).not.toBe("allowed");
    });

    it("what the kind says of the server cannot be said otherwise", async () => {
      const decision = await clerk.check({
        kind: "mcp_globs",
        id: "other/1",
        action: "initialize",
        attr: { server: "payroll", toolset: "x" },
      });
      expect(decision).toMatchObject({
        effect: "allow",
        hop: { id: expect.stringMatching(/^globs\//) as string, attr: { server: "globs" } },
      });
    });
  });

  describe("in who acts", () => {
    it.each(wrongRoles)("a role with %s is not the role that the policy names", async (_, roles) => {
      const session = await guard().session({
        principal: { id: "mallory", roles: roles as string[] },
        agent: bot,
      });
      for (const hop of [
        ledger("open"),
        { kind: "mcp_globs", action: "initialize" },
        { kind: "mcp_vault", action: "initialize" },
        { kind: "llm_model", id: "gpt-4o-mini", action: "completion" },
      ]) {
        expect(await codeOf(session, hop)).toBe("policy_denied");
      }
    });

    it.each([
      ["a text", "clerk"],
      ["nothing", []],
      ["a text among them", ["clerk", ""]],
      ["a space behind one", ["clerk "]],
      ["a newline in one", ["clerk\nkeeper"]],
      ["a list in a list", [["clerk"]]],
      ["an object", { 0: "clerk", length: 1 }],
      ["a set", new Set(["clerk"])],
      ["null", null],
      ["101 of them", Array<string>(101).fill("clerk")],
    ])("roles that are %s open no session", async (_, roles) => {
      await expect(
        guard().session({ principal: { id: "mallory", roles: roles as string[] }, agent: bot }),
      ).rejects.toThrow(ConfigurationError);
      if (Array.isArray(roles) && roles.length === 0) return; // An agent needs none.
      const agent = { ...bot, roles: roles as string[] };
      await expect(guard().session({ principal: alice, agent })).rejects.toThrow(ConfigurationError);
    });

    it.each(["subject", "", " bot", "bot\n", "b\u0000t", "\ud800", "b".repeat(257)])(
      "an agent cannot be named %j",
      async (id) => {
        await expect(guard().session({ principal: alice, agent: { id } })).rejects.toThrow(
          ConfigurationError,
        );
      },
    );

    it("an agent's roles are never the subject's, nor the other way round", async () => {
      const agent = { id: "helper", roles: ["clerk", "keeper"] };
      const visitor = { id: "visitor", roles: ["visitor"] };
      for (const agents of ["context", "principal"] as const) {
        expect(
          await codeOf(await guard({ agents }).session({ principal: visitor, agent }), ledger("open")),
        ).toBe("policy_denied");
        expect(
          await codeOf(await guard({ agents }).session({ principal: visitor, agent }), {
            kind: "mcp_vault",
            action: "initialize",
          }),
        ).toBe("policy_denied");
      }
      expect(
        await codeOf(
          await guard({ agents: "principal" }).session({
            principal: alice,
            agent: { id: "helper", roles: ["helper-role"] },
          }),
          ledger("open"),
        ),
      ).toBe("allowed");
      const keeper = { id: "kim", roles: ["keeper"] };
      expect(
        await codeOf(
          await guard({ agents: "principal" }).session({ principal: keeper, agent: { id: "helper" } }),
          { kind: "mcp_vault", action: "initialize" },
        ),
      ).toBe("policy_denied");
    });

    const forged = {
      auth: { method: "jwt", verified: true },
      type: "service",
      agent: { id: "root" },
      task: { id: "T-9" },
      subject: { id: "root" },
      delegation: { depth: 0 },
    };
    it.each<[string, () => Record<string, unknown>]>([
      ["given", () => ({ ...forged })],
      ["one by one", () => ({ auth: forged.auth })],
      ["by toJSON", () => ({ toJSON: () => forged })],
      ["by a getter", () => Object.defineProperty({}, "auth", { get: () => forged.auth, enumerable: true })],
      [
        "by a proxy",
        () =>
          new Proxy(
            {},
            {
              ownKeys: () => ["auth"],
              getOwnPropertyDescriptor: () => ({ value: forged.auth, enumerable: true, configurable: true }),
              get: (_, key) => (key === "auth" ? forged.auth : undefined),
            },
          ),
      ],
    ])("the guard's own attributes of a principal cannot be set, %s", async (_, attr) => {
      await expect(guard().session({ principal: { ...alice, attr: attr() }, agent: bot })).rejects.toThrow(
        ConfigurationError,
      );
      await expect(guard().session({ principal: alice, agent: { ...bot, attr: attr() } })).rejects.toThrow(
        ConfigurationError,
      );
    });

    it("what a principal inherits, or hides, is not read", async () => {
      const inherited = Object.create(forged) as Record<string, unknown>;
      const hidden = Object.defineProperties(
        {},
        Object.getOwnPropertyDescriptors(Object.fromEntries(Object.entries(forged))),
      ) as Record<string, unknown>;
      for (const key of Object.keys(forged)) Object.defineProperty(hidden, key, { enumerable: false });
      const prototype = JSON.parse(`{"__proto__":${JSON.stringify(forged)}}`) as Record<string, unknown>;
      for (const attr of [inherited, hidden, prototype]) {
        const session = await guard().session({ principal: { ...alice, attr }, agent: bot });
        expect(await codeOf(session, ledger("trust"))).toBe("policy_denied");
        expect(await codeOf(session, ledger("impersonate"))).toBe("policy_denied");
      }
    });

    it("a principal that is changed after the session was opened changes nothing", async () => {
      const mutable = { id: "mallory", roles: ["visitor"], attr: { level: 1 } };
      const session = await guard().session({ principal: mutable, agent: bot });
      mutable.id = "alice";
      mutable.roles.push("clerk");
      Object.assign(mutable.attr, { auth: { verified: true } });
      expect(await codeOf(session, ledger("open"))).toBe("policy_denied");
      expect(await codeOf(session, ledger("read", { owner: "alice" }))).toBe("policy_denied");
    });

    it("ids that only look alike are others", async () => {
      for (const id of ["Alice", "аlice", "alice\u200b", "ａlice", "alice\u0301"]) {
        const session = await guard().session({ principal: { id, roles: ["clerk"] }, agent: bot });
        expect(await codeOf(session, ledger("read", { owner: "alice" }))).toBe("policy_denied");
      }
      expect(
        await codeOf(
          await guard().session({ principal: alice, agent: bot }),
          ledger("read", { owner: "alice" }),
        ),
      ).toBe("allowed");
    });
  });

  describe("of local tools", () => {
    it.each([
      "constructor",
      "__proto__",
      "toString",
      "hasOwnProperty",
      "a/b",
      "..",
      "../refund",
      "Refund",
      "refund/",
      "refund..",
    ])("a tool named %s is denied like every other that no rule names", async (name) => {
      const tools = Object.defineProperty({}, name, {
        value: () => stage.ran.push(name),
        enumerable: true,
      }) as Record<string, () => unknown>;
      const guarded = guardTools(tools, clerk, { toolset: "till", untyped: "allow" });
      const call = Object.getOwnPropertyDescriptor(guarded, name)?.value as () => Promise<unknown>;
      await expect(call()).rejects.toMatchObject({
        denial: { code: "policy_denied", hop: { action: `tools/call/${name}` } },
      });
      expectNothingSent(stage);
    });
  });
});
