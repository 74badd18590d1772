import fc from "fast-check";
import {
  AuthorizationDeniedError,
  createGuard,
  memoryState,
  PdpError,
  type AllowDecision,
  type CheckOptions,
  type Decision,
  type DenialCode,
  type GuardOptions,
  type GuardrailInput,
  type Hop,
  type IdentityVerifier,
  type RevocationTarget,
  type Session,
  type SessionCounter,
  type StandardSchema,
  type StateStore,
} from "hopguard";
import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import type { LocalPdp } from "hopguard/pdp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditRecorder } from "../support/audit-recorder";
import { startPdpWith } from "../support/policies";
import { allowed, denied, scriptedPdp } from "../support/scripted-pdp";

const TIMEOUT_MS = 60;
const hop: Hop = {
  kind: "mcp_payments",
  action: "tools/call/refund_issue",
  attr: { arguments: { amount_cents: 4000 } },
};
const alice = { id: "alice", roles: ["clerk"] };
const bot = { id: "refund-bot", roles: ["support-agent"] };

const fails = (): never => {
  throw new Error("broken at 10.0.0.7:5432");
};
const rejects = (): Promise<never> => Promise.reject(new Error("broken at 10.0.0.7:5432"));
const hangs = (): Promise<never> => new Promise<never>(() => undefined);

const openSession = (options: Partial<GuardOptions> = {}): Promise<Session> =>
  createGuard({ pdp: scriptedPdp(), audit: () => undefined, timeoutMs: TIMEOUT_MS, ...options }).session({
    principal: alice,
    agent: bot,
    task: { id: "T-1001" },
  });

const codeOf = (decision: Decision): DenialCode | "allowed" =>
  decision.effect === "deny" ? decision.denial.code : "allowed";

/** Memory, with a fault in one of its operations. */
function faultyState(fault: Partial<SessionCounter> & { find?: () => never | Promise<never> }): StateStore {
  const sound = memoryState();
  const { find, ...counter } = fault;
  return {
    ...sound,
    revocations: { ...sound.revocations, ...(find && { find }) },
    session: (id, startedAt) => ({ ...sound.session(id, startedAt), ...counter }),
  };
}

const schema = (validate: StandardSchema["~standard"]["validate"]): CheckOptions => ({
  schema: { "~standard": { validate } },
});

describe("a stage that fails denies with its own code, before the PDP is asked", () => {
  const provider = (provide: () => Promise<unknown>, applies = () => true) => ({
    enrich: [{ name: "risk", provide, applies }],
  });
  const guardrail = (check: () => never, applies = () => true) => ({
    guardrails: [{ name: "pii", check, applies }],
  });

  it.each<[string, DenialCode, Partial<GuardOptions>, CheckOptions?]>([
    ["revocations that throw", "state_unavailable", { state: faultyState({ find: fails }) }],
    ["revocations that reject", "state_unavailable", { state: faultyState({ find: rejects }) }],
    ["revocations that hang", "state_unavailable", { state: faultyState({ find: hangs }) }],
    ["a schema that throws", "arguments_invalid", {}, schema(fails)],
    ["a schema that hangs", "arguments_invalid", {}, schema(hangs)],
    ["a schema that answers nothing", "arguments_invalid", {}, schema(() => undefined as never)],
    ["a schema that is none", "arguments_invalid", {}, { schema: {} as never }],
    ["a provider that throws", "enrichment_failed", provider(fails)],
    ["a provider that rejects", "enrichment_failed", provider(rejects)],
    ["a provider that hangs", "enrichment_failed", provider(hangs)],
    ["a provider that finds nothing", "enrichment_failed", provider(() => Promise.resolve(undefined))],
    ["a provider that finds what is no JSON", "enrichment_failed", provider(() => Promise.resolve(1n))],
    [
      "a provider that finds five megabytes",
      "enrichment_failed",
      provider(() => Promise.resolve("x".repeat(5_000_000))),
    ],
    [
      "a provider that cannot say whether it applies",
      "enrichment_failed",
      provider(() => Promise.resolve(1), fails),
    ],
    ["a guardrail that throws", "guardrail_denied", guardrail(fails)],
    ["a guardrail that rejects", "guardrail_denied", guardrail(rejects as never)],
    ["a guardrail that hangs", "guardrail_denied", guardrail(hangs as never)],
    ["a guardrail that answers true", "guardrail_denied", guardrail((() => true) as never)],
    [
      "a guardrail that answers with an allow",
      "guardrail_denied",
      guardrail((() => ({ effect: "allow" })) as never),
    ],
    ["a guardrail that cannot say whether it applies", "guardrail_denied", guardrail(fails, fails)],
    ["a counter that throws", "state_unavailable", { state: faultyState({ begin: fails }) }],
    ["a counter that rejects", "state_unavailable", { state: faultyState({ begin: rejects }) }],
    ["a counter that hangs", "state_unavailable", { state: faultyState({ begin: hangs }) }],
  ])("%s: %s", async (_, code, options, checkOptions) => {
    const pdp = scriptedPdp();
    const audit = auditRecorder();
    const session = await openSession({ pdp, audit, ...options });
    const decision = await session.check(hop, checkOptions);
    expect(codeOf(decision)).toBe(code);
    expect(JSON.stringify(decision)).not.toContain("10.0.0.7");
    expect(audit.of(decision.decisionId)).toMatchObject([{ effect: "deny", code }]);
    expect(pdp.queries).toEqual([]);
  });
});

describe("a PDP that proves nothing denies", () => {
  it.each<[string, DenialCode, Parameters<typeof scriptedPdp>[0]]>([
    ["by throwing", "pdp_unavailable", fails],
    ["by rejecting", "pdp_unavailable", rejects],
    [
      "by saying that its answer was no proof",
      "pdp_invalid_response",
      () => Promise.reject(new PdpError("pdp_invalid_response", "x")),
    ],
    ["by answering no action", "policy_denied", (query) => allowed({ ...query, actions: [] })],
    [
      "by answering another action",
      "policy_denied",
      (query) => allowed({ ...query, actions: ["initialize", "tools/call/*"] }),
    ],
    [
      "by an effect that is none",
      "policy_denied",
      (query) => allowed(query, { effects: new Map([[hop.action, "EFFECT_ALLOW" as never]]) }),
    ],
    ["by denying", "policy_denied", (query) => denied(query)],
    [
      "by denying with an output that says allow",
      "policy_denied",
      (query) =>
        denied(query, {
          outputs: [{ source: "p#r", action: hop.action, value: { effect: "EFFECT_ALLOW" } }],
        }),
    ],
  ])("%s", async (_, code, script) => {
    const audit = auditRecorder();
    const decision = await (await openSession({ pdp: scriptedPdp(script), audit })).check(hop);
    expect(codeOf(decision)).toBe(code);
    expect(audit.of(decision.decisionId)).toHaveLength(1);
  });
});

describe("after an ALLOW of the PDP, nothing is allowed", () => {
  it.each<[string, DenialCode, Partial<GuardOptions>]>([
    ["when the audit throws", "audit_failed", { audit: fails }],
    ["when the audit rejects", "audit_failed", { audit: rejects }],
    ["when the audit hangs", "audit_failed", { audit: hangs }],
    ["when the clock is broken", "audit_failed", { clock: brokenAfterOpening() }],
  ])("%s", async (_, code, options) => {
    const pdp = scriptedPdp();
    const session = await openSession({ pdp, ...options });
    expect(codeOf(await session.check(hop))).toBe(code);
    expect(pdp.queries).toHaveLength(1);
  });

  it("when authority was revoked while the PDP was thinking", async () => {
    const state = memoryState();
    const audit = auditRecorder();
    const pdp = scriptedPdp(async (query) => {
      await createGuard({ pdp, state }).revoke({ task: "T-1001" }, { author: "ops" });
      return allowed(query);
    });
    const decision = await (await openSession({ pdp, state, audit })).check(hop);
    expect(codeOf(decision)).toBe("revoked");
    expect(audit.records.map(({ effect }) => effect)).toEqual(["deny"]);
  });

  it("when revocations cannot be read a second time", async () => {
    const state = memoryState();
    let reads = 0;
    const find: typeof state.revocations.find = (targets) =>
      ++reads > 1 ? rejects() : state.revocations.find(targets);
    const session = await openSession({ state: { ...state, revocations: { ...state.revocations, find } } });
    expect(codeOf(await session.check(hop))).toBe("state_unavailable");
  });

  it("when the caller gave up meanwhile", async () => {
    const caller = new AbortController();
    const pdp = scriptedPdp((query) => {
      caller.abort();
      return allowed(query);
    });
    const session = await openSession({ pdp });
    expect(codeOf(await session.check(hop, { signal: caller.signal }))).toBe("aborted");
  });
});

describe("a check never rejects", () => {
  it("for any value in place of a hop or its options", async () => {
    const session = await openSession();
    await fc.assert(
      fc.asyncProperty(fc.anything(), fc.anything(), async (given, options) => {
        const decision = await session.check(given as Hop, options as CheckOptions);
        expect(decision.effect).toBe("deny");
      }),
      { numRuns: 500 },
    );
  });

  it("for a hop with any attributes, and what is allowed is plain frozen JSON", async () => {
    const session = await openSession();
    await fc.assert(
      fc.asyncProperty(fc.anything({ withBigInt: true }), async (attr) => {
        const decision = await session.check({
          kind: "document",
          id: "1",
          action: "read",
          attr: attr as Record<string, unknown>,
        });
        if (decision.effect === "deny") return;
        expect(decision.hop.attr).toEqual(JSON.parse(JSON.stringify(decision.hop.attr)));
        expect(Object.isFrozen(decision.hop.attr)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, unknown]>([
    ["an object without a prototype", Object.create(null)],
    ["undefined", undefined],
    ["a proxy that throws at each look", new Proxy({}, { get: fails, getPrototypeOf: fails, has: fails })],
    ["an error whose stack throws", Object.defineProperty(new Error("x"), "stack", { get: fails })],
  ])("when %s is thrown at it", async (_, thrown) => {
    const throwing = (): never => {
      throw thrown;
    };
    const guardrails = [{ name: "pii", check: throwing }];
    expect(codeOf(await (await openSession({ guardrails })).check(hop))).toBe("guardrail_denied");
    const hostile = { ...hop };
    Object.defineProperty(hostile, "kind", { get: throwing });
    expect(codeOf(await (await openSession()).check(hostile))).toBe("unsupported_hop");
  });

  it("when a denial can be neither counted nor recorded", async () => {
    const session = await openSession({
      pdp: scriptedPdp((query) => denied(query)),
      state: faultyState({ settle: fails }),
      audit: fails,
    });
    expect(codeOf(await session.check(hop))).toBe("policy_denied");
  });
});

describe("a guardrail", () => {
  it("adds facts for the policy, which later guardrails see", async () => {
    const pdp = scriptedPdp();
    const seen: unknown[] = [];
    const session = await openSession({
      pdp,
      enrich: [{ name: "project", provide: () => Promise.resolve({ owner: "t-1" }) }],
      guardrails: [
        { name: "pii", check: () => ({ facts: { classes: ["iban"] } }) },
        {
          name: "look",
          check: ({ facts }) => {
            seen.push({ ...facts });
          },
        },
      ],
    });
    expect(codeOf(await session.check(hop))).toBe("allowed");
    const facts = { project: { owner: "t-1" }, pii: { classes: ["iban"] } };
    expect(pdp.queries[0]?.resource.attr.facts).toEqual(facts);
    expect(seen).toEqual([facts]);
  });

  it("denies with words of its own, cleaned, before the PDP is asked", async () => {
    const pdp = scriptedPdp();
    const deny = {
      reason: "an IBAN\u001b[31m\r\nleaves the house",
      remediation: { type: "redact", field: "iban" },
    };
    const session = await openSession({ pdp, guardrails: [{ name: "pii", check: () => ({ deny }) }] });
    expect(await session.check(hop)).toMatchObject({
      denial: {
        code: "guardrail_denied",
        reason: "an IBAN [31m leaves the house",
        remediation: deny.remediation,
        retryable: false,
      },
    });
    expect(pdp.queries).toEqual([]);
  });

  it("cannot allow what the policy denies, whatever it answers", async () => {
    const answers = [undefined, { facts: { allow: true } }, { facts: { effect: "EFFECT_ALLOW" } }];
    for (const answer of answers) {
      const session = await openSession({
        pdp: scriptedPdp((query) => denied(query)),
        guardrails: [{ name: "friend", check: () => answer }],
      });
      expect(codeOf(await session.check(hop))).toBe("policy_denied");
    }
  });

  it.each<[string, (input: GuardrailInput) => void]>([
    ["hop", ({ hop }) => Object.assign(hop, { action: "initialize" })],
    ["principal", ({ principal }) => Object.assign(principal, { roles: ["admin"] })],
    ["facts of others", ({ facts }) => Object.assign(facts, { risk: 0 })],
  ])("cannot change the %s", async (_, change) => {
    const pdp = scriptedPdp();
    const session = await openSession({ pdp, guardrails: [{ name: "meddler", check: change }] });
    expect(codeOf(await session.check(hop))).toBe("guardrail_denied");
    expect(pdp.queries).toEqual([]);
  });

  it("is told to give up when its time is over", async () => {
    let signal: AbortSignal | undefined;
    const check = (input: { signal: AbortSignal }): Promise<never> => {
      signal = input.signal;
      return hangs();
    };
    const session = await openSession({ guardrails: [{ name: "slow", check, timeoutMs: 20 }] });
    expect(codeOf(await session.check(hop))).toBe("guardrail_denied");
    expect(signal?.aborted).toBe(true);
  });

  it("may look at some hops only", async () => {
    const session = await openSession({
      guardrails: [
        {
          name: "models",
          applies: ({ kind }) => kind === "llm_model",
          check: () => ({ deny: { reason: "no" } }),
        },
      ],
    });
    expect(codeOf(await session.check(hop))).toBe("allowed");
    expect(codeOf(await session.check({ kind: "llm_model", id: "gpt-4o", action: "completion" }))).toBe(
      "guardrail_denied",
    );
  });
});

describe("a revocation", () => {
  it.each<[RevocationTarget]>([
    [{ session: "s-1" }],
    [{ agent: "refund-bot" }],
    [{ principal: "alice" }],
    [{ task: "T-1001" }],
  ])("of %j denies the next hop, is recorded, and can be taken back", async (target) => {
    const pdp = scriptedPdp();
    const audit = auditRecorder();
    const guard = createGuard({ pdp, audit });
    const session = await guard.session({ principal: alice, agent: bot, task: { id: "T-1001" }, id: "s-1" });
    const other = await guard.session({
      principal: { id: "bob", roles: ["clerk"] },
      agent: { id: "other-bot" },
    });
    expect(codeOf(await session.check(hop))).toBe("allowed");
    await guard.revoke(target, { reason: "stolen laptop", author: "ops" });
    const decision = await session.check(hop);
    expect(codeOf(decision)).toBe("revoked");
    expect(JSON.stringify(decision)).not.toContain("laptop");
    expect(audit.of(decision.decisionId)[0]?.detail).toContain("stolen laptop");
    expect(pdp.queries).toHaveLength(1);
    expect(codeOf(await other.check(hop))).toBe("allowed");
    await expect(session.visible("payments", ["refund_issue"])).rejects.toThrow(AuthorizationDeniedError);
    await guard.restore(target);
    expect(codeOf(await session.check(hop))).toBe("allowed");
  });
});

describe("identity", () => {
  const opened = async (verify: IdentityVerifier["verify"], audit = auditRecorder()) => {
    const pdp = scriptedPdp();
    const guard = createGuard({ pdp, audit, timeoutMs: TIMEOUT_MS, identity: { verify } });
    return { pdp, audit, session: await guard.session({ token: "eyJ", agent: bot }) };
  };
  const proof = { principal: alice, auth: { method: "jwt", issuer: "https://idp.example", verified: true } };

  it("is proven anew on every hop, so that an expired token ends the session's authority", async () => {
    let valid = true;
    const { pdp, session } = await opened(() => (valid ? Promise.resolve(proof) : rejects()));
    expect(codeOf(await session.check(hop))).toBe("allowed");
    valid = false;
    expect(codeOf(await session.check(hop))).toBe("unauthenticated");
    expect(pdp.queries).toHaveLength(1);
  });

  it("that hangs denies", async () => {
    let asked = 0;
    const { pdp, session } = await opened(() => (++asked === 1 ? Promise.resolve(proof) : hangs()));
    expect(codeOf(await session.check(hop))).toBe("unauthenticated");
    expect(pdp.queries).toEqual([]);
  });

  it.each<[string, IdentityVerifier["verify"]]>([
    ["rejects", rejects],
    ["throws", fails],
    ["hangs", hangs],
    ["answers nothing", () => Promise.resolve(undefined as never)],
    [
      "proves a principal without roles",
      () => Promise.resolve({ ...proof, principal: { id: "alice", roles: [] } }),
    ],
    [
      "lets a claim set the guard's names",
      () => Promise.resolve({ ...proof, principal: { ...alice, attr: { auth: { verified: true } } } }),
    ],
  ])("opens no session when the verifier %s, and says so on record", async (_, verify) => {
    const audit = auditRecorder();
    const error: unknown = await opened(verify, audit).catch((caught: unknown) => caught);
    expect(AuthorizationDeniedError.isInstance(error) && error.denial).toMatchObject({
      code: "unauthenticated",
      hop: { kind: "session", name: "refund-bot", action: "open" },
    });
    expect(audit.records).toMatchObject([{ effect: "deny", code: "unauthenticated" }]);
  });

  it("proves the principal and never the agent or the task", async () => {
    const claims = { ...proof, agent: { id: "root", roles: ["admin"] }, task: { id: "T-9" } };
    const { pdp, session } = await opened(() => Promise.resolve(claims));
    expect(codeOf(await session.check(hop))).toBe("allowed");
    const attr = pdp.queries[0]?.principal.attr;
    expect(attr?.agent).toMatchObject({ id: "refund-bot" });
    expect(attr?.task).toBeUndefined();
    expect(attr?.auth).toEqual(proof.auth);
  });
});

describe("what was checked", () => {
  it("is what was given at the moment of the call, whatever is done to it right after", async () => {
    const pdp = scriptedPdp();
    const session = await openSession({ pdp });
    const args = { amount_cents: 4000, lines: [{ sku: "a" }] };
    const call = { kind: "mcp_payments", action: "tools/call/refund_issue", attr: { arguments: args } };
    const pending = session.check(call);
    args.amount_cents = 900_000;
    args.lines.push({ sku: "b" });
    call.kind = "mcp_payroll";
    call.action = "tools/call/salary_set";
    const decision = (await pending) as AllowDecision;
    expect(decision.hop).toMatchObject({
      kind: "mcp_payments",
      action: "tools/call/refund_issue",
      attr: { arguments: { amount_cents: 4000, lines: [{ sku: "a" }] } },
    });
    expect(pdp.queries[0]?.resource.attr.arguments).toEqual({ amount_cents: 4000, lines: [{ sku: "a" }] });
  });

  it("counts this hop and those before it, and cannot be told otherwise", async () => {
    const pdp = scriptedPdp(({ ...query }) =>
      query.actions[0] === "initialize" ? denied(query) : allowed(query),
    );
    const session = await openSession({ pdp, environment: "production" });
    await session.check({ kind: "mcp_payments", action: "initialize" });
    const settle = async (outcome: "done" | "failed"): Promise<void> => {
      const decision = await session.check(hop);
      if (decision.effect === "allow") decision.settle(outcome);
    };
    await settle("done");
    await settle("failed");
    await session.check(hop);
    expect(pdp.queries.at(-1)?.resource.attr.context).toEqual({
      environment: "production",
      session: {
        id: session.id,
        started_at: expect.any(String) as string,
        steps: 4,
        attempts: { initialize: 1, "tools/call/refund_issue": 3 },
        calls: { "tools/call/refund_issue": 1 },
        denials: 1,
      },
    });
    const forged = { ...hop, attr: { context: { environment: "staging" } } };
    expect(codeOf(await session.check(forged))).toBe("unsupported_hop");
  });

  it("is on record with who, what, when and by which policy", async () => {
    const audit = auditRecorder();
    const pdp = scriptedPdp((query) =>
      allowed(query, { matchedPolicies: new Map([[hop.action, "resource.mcp_payments.vdefault"]]) }),
    );
    const session = await openSession({ pdp, audit, policyRevision: "git:abc", clock: () => new Date(0) });
    const { decisionId } = await session.check(hop);
    expect(audit.of(decisionId)).toEqual([
      {
        time: "1970-01-01T00:00:00.000Z",
        decision_id: decisionId,
        effect: "allow",
        pdp_call_ids: ["call-1"],
        matched_policies: ["resource.mcp_payments.vdefault"],
        policy_revision: "git:abc",
        hop: { kind: "mcp_payments", name: "payments", action: "tools/call/refund_issue" },
        subject: { id: "alice", roles: ["clerk"] },
        agent: { id: "refund-bot", roles: ["support-agent"] },
        chain: [],
        task: "T-1001",
        session: session.id,
        step: 1,
        ms: expect.any(Number) as number,
        arguments_digest: expect.stringMatching(/^sha-256:[0-9a-f]{64}$/) as string,
        flags: [],
      },
    ]);
  });

  it("is not explained to the agent when denials are hidden, and still on record", async () => {
    const audit = auditRecorder();
    const outputs = [
      {
        source: "p#r",
        action: hop.action,
        value: { reason: "cap exceeded", remediation: { type: "step_up" } },
      },
    ];
    const pdp = scriptedPdp((query) => denied(query, { outputs }));
    const decision = await (await openSession({ pdp, audit, denials: "hide" })).check(hop);
    expect(decision).toMatchObject({
      denial: { code: "policy_denied", reason: "The policy does not allow this." },
    });
    expect(JSON.stringify(decision)).not.toMatch(/cap|step_up|refused_by/);
  });
});

describe("with a real PDP", () => {
  let server: LocalPdp;
  let pdp: CerbosPdp;
  const read = (attr: Record<string, unknown> = {}): Hop => ({
    kind: "document",
    id: "1",
    action: "read",
    attr,
  });
  const rule = { effect: "EFFECT_ALLOW", roles: ["clerk"] } as const;

  beforeAll(async () => {
    server = await startPdpWith([
      {
        kind: "document",
        rules: [
          {
            ...rule,
            actions: ["read"],
            roles: ["clerk", "support-agent"],
            condition: { match: { expr: "!has(R.attr.owner) || R.attr.owner == P.id" } },
          },
          { actions: ["read"], effect: "EFFECT_DENY", roles: ["trainee-agent"] },
          {
            ...rule,
            actions: ["annotate"],
            output: { when: { ruleActivated: '{"reason": "denied", "effect": "EFFECT_DENY"}' } },
          },
        ],
      },
    ]);
    pdp = cerbos(server.url, { timeoutMs: 10_000 });
  });
  afterAll(async () => {
    pdp.close();
    await server.stop();
  });

  const as = (agentRoles: readonly string[], agents: "context" | "principal"): Promise<Session> =>
    createGuard({ pdp, audit: () => undefined, agents, timeoutMs: 10_000 }).session({
      principal: alice,
      agent: { id: "helper", roles: agentRoles },
    });

  it("a DENY on the agent's role counts when agents are principals, and names the agent", async () => {
    expect(codeOf(await (await as(["trainee-agent"], "context")).check(read()))).toBe("allowed");
    expect(await (await as(["trainee-agent"], "principal")).check(read())).toMatchObject({
      denial: { code: "policy_denied", refused_by: "helper" },
    });
    expect(codeOf(await (await as(["support-agent"], "principal")).check(read()))).toBe("allowed");
    expect(await (await as([], "principal")).check(read())).toMatchObject({
      denial: { refused_by: "helper" },
    });
  });

  it("an agent's role never lends the subject anything", async () => {
    const session = await createGuard({
      pdp,
      audit: () => undefined,
      agents: "principal",
      timeoutMs: 10_000,
    }).session({
      principal: { id: "mallory", roles: ["visitor"] },
      agent: { id: "helper", roles: ["support-agent", "clerk"] },
    });
    expect(await session.check(read())).toMatchObject({
      denial: { code: "policy_denied", refused_by: "subject" },
    });
  });

  it("an ALLOW with an output that says deny is an ALLOW", async () => {
    const session = await as([], "context");
    expect(codeOf(await session.check({ ...read(), action: "annotate" }))).toBe("allowed");
  });

  it("one check that is aborted leaves its neighbours alone", async () => {
    const session = await as([], "context");
    const callers = Array.from({ length: 20 }, () => new AbortController());
    callers[3]?.abort();
    const checks = callers.map(({ signal }, index) =>
      session.check({ ...read(), id: `${index}` }, { signal }),
    );
    callers[7]?.abort(new Error("the user left"));
    setImmediate(() => callers[11]?.abort());
    const codes = (await Promise.all(checks)).map(codeOf);
    expect([codes[3], codes[7], codes[11]]).toEqual(["aborted", "aborted", "aborted"]);
    expect(codes.filter((code) => code === "allowed")).toHaveLength(17);
  });

  it("a hundred interleaved checks of two users each name their own principal", async () => {
    const audit = auditRecorder();
    const guard = createGuard({ pdp, audit, timeoutMs: 10_000 });
    const open = (id: string) =>
      guard.session({ principal: { id, roles: ["clerk"] }, agent: { id: `${id}-bot` } });
    const [alice, bob] = await Promise.all([open("alice"), open("bob")]);
    const decisions = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const owner = index % 3 === 0 ? "alice" : "bob";
        const [user, session] = index % 2 === 0 ? (["alice", alice] as const) : (["bob", bob] as const);
        return { decision: await session.check({ ...read({ owner }), id: `${index}` }), user, owner };
      }),
    );
    for (const { decision, user, owner } of decisions) {
      expect(codeOf(decision)).toBe(user === owner ? "allowed" : "policy_denied");
      expect(audit.of(decision.decisionId)).toMatchObject([
        { subject: { id: user }, agent: { id: `${user}-bot` } },
      ]);
    }
  });
});

function brokenAfterOpening(): () => Date {
  let calls = 0;
  return () => (++calls === 1 ? new Date(0) : fails());
}
