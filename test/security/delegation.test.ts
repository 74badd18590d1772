import { createGuard, type DelegateOptions, type GuardOptions, type Session } from "hopguard";
import { stubPdp, type StubPdp } from "hopguard/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  balance,
  cancel,
  codeOf,
  delegation,
  DELEGATION_POLICIES,
  handedOn,
  refund,
  REFUNDS,
  refusal,
  tokenOf,
  trusting,
} from "../support/delegations";
import { openDesk, type Desk } from "../support/desk";

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk({ policies: DELEGATION_POLICIES });
});
beforeEach(() => desk.reset());
afterAll(() => desk.close());

const planner = (guard?: Partial<GuardOptions>): Promise<Session> =>
  desk.session("clerk", guard ? { guard } : {});

describe("a delegated session", () => {
  it("may do what was granted, and nothing else", async () => {
    const child = await (await planner()).delegate(delegation());
    expect(await child.check(refund(5000))).toMatchObject({ effect: "allow" });
    desk.reset();
    const beyond = [
      refund(5001),
      { ...refund(1), attr: {} },
      { ...refund(1), attr: { arguments: { amount_cents: "1" } } },
      cancel,
      { ...cancel, action: "ping" },
      { kind: "llm_model", id: "gpt-4o", action: "completion" },
      { kind: "mcp_payroll", action: "initialize" },
      { kind: "a2a_executor", action: "delegate" },
    ];
    for (const hop of beyond)
      expect(await child.check(hop)).toMatchObject({
        denial: { code: "delegation_invalid", refused_by: "executor", retryable: false },
      });
    expect(desk.records).toHaveLength(beyond.length);
    expect(desk.records.flatMap(({ pdp_call_ids }) => pdp_call_ids)).toEqual([]);
  });

  it("may do nothing, where nothing was granted", async () => {
    for (const authorization_details of [[], [{ type: "mcp_payments", actions: [] }]]) {
      const child = await (await planner()).delegate(delegation({ authorization_details }));
      for (const hop of [balance, { ...balance, action: "initialize" }, { ...balance, action: "tools/list" }])
        expect(await codeOf(child, hop)).toBe("delegation_invalid");
    }
  });

  it("is never more than the user, whatever was granted", async () => {
    const authorization_details = [{ type: "mcp_payments", actions: ["tools/call/refund_*"] }];
    const child = await (await planner()).delegate(delegation({ authorization_details }));
    expect(await child.check(refund(100_001))).toMatchObject({
      denial: { code: "policy_denied", refused_by: "subject" },
    });
    expect(await codeOf(child, refund(100_000))).toBe("allow");
  });

  it("is held against every link, the nearest to the user first, which is named", async () => {
    const token = tokenOf({ authorizationDetails: [{ type: "mcp_payments", actions: ["tools/call/*"] }] });
    const guard = desk.guardWith({ identity: trusting });
    const root = await guard.session({ token, agent: { id: "root" } });
    const first = await root.delegate(delegation({ mayDelegate: true }));
    const second = await first.delegate(
      delegation({
        to: "helper",
        mayDelegate: true,
        authorization_details: [{ type: "mcp_payments", actions: ["tools/call/refund_issue"] }],
      }),
    );
    const third = await second.delegate(
      delegation({
        to: "third",
        authorization_details: [
          {
            type: "mcp_payments",
            actions: ["tools/call/refund_issue"],
            constraints: { "arguments.amount_cents": { maximum: 100 } },
          },
        ],
      }),
    );
    const refusedBy = async (session: Session, hop: Parameters<Session["check"]>[0]) => {
      const decision = await session.check(hop);
      return decision.effect === "allow" ? "nobody" : decision.denial.refused_by;
    };
    expect(await refusedBy(third, refund(100))).toBe("nobody");
    expect(await refusedBy(third, refund(101))).toBe("third");
    expect(await refusedBy(third, balance)).toBe("helper");
    expect(await refusedBy(third, refund(5001))).toBe("executor");
    expect(await refusedBy(third, { kind: "llm_model", id: "gpt-4o", action: "completion" })).toBe("subject");
    expect(await refusedBy(root, { kind: "llm_model", id: "gpt-4o", action: "completion" })).toBe("subject");
    // What the second link leaves out is still the first's limit.
    expect(await refusedBy(second, refund(5000))).toBe("nobody");
    expect(await refusedBy(second, refund(5001))).toBe("executor");
  });

  it("is about one server, toolset or agent by its own name, where an identifier is given", async () => {
    const named = (identifier: string) => delegation({ authorization_details: [{ ...REFUNDS, identifier }] });
    const child = await (await planner()).delegate(named("payments"));
    expect(await codeOf(child, refund(1))).toBe("allow");
    expect(await refusal((await planner()).delegate(named("mcp_payments")))).toMatchObject({
      code: "delegation_invalid",
    });
  });

  it("is about models themselves, by whatever name they are asked for or granted", async () => {
    const models = { "team-fast": "gpt-4o-mini", "team-best": "gpt-4o" };
    const completion = (id: string) => ({ kind: "llm_model", id, action: "completion" });
    for (const identifier of ["gpt-4o-mini", "team-fast"]) {
      const authorization_details = [{ type: "llm_model", identifier, actions: ["completion"] }];
      const child = await (
        await planner({ models })
      ).delegate(delegation({ authorization_details, mayDelegate: true }));
      for (const id of ["gpt-4o-mini", "team-fast"])
        expect(await codeOf(child, completion(id))).toBe("allow");
      for (const id of ["gpt-4o", "team-best", "GPT-4o-mini", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"])
        expect(await codeOf(child, completion(id))).toBe("delegation_invalid");
      const again = {
        to: "helper",
        authorization_details: [{ ...authorization_details[0], identifier: "team-best" }],
      };
      expect(await refusal(child.delegate(again as DelegateOptions))).toMatchObject({
        reason: "authorization_details: llm_model: completion was not granted.",
      });
    }
  });
});

describe("a delegation is refused", () => {
  const entry = { type: "mcp_payments", actions: ["tools/call/refund_issue"] };
  const asking = (...authorization_details: unknown[]): Partial<DelegateOptions> => ({
    authorization_details: authorization_details as never,
  });

  it.each<[string, Partial<DelegateOptions>, string]>([
    ["of every action", asking({ ...entry, actions: ["*"] }), "is no action"],
    ["of a glob in the middle", asking({ ...entry, actions: ["tools/*/refund"] }), "is no action"],
    ["of every kind", asking({ ...entry, type: "*" }), "is no kind"],
    ["of a kind that nobody can read", asking({ ...entry, type: "mcp payments" }), "is no kind"],
    ["without actions", asking({ type: "mcp_payments" }), "authorization_details.0.actions"],
    ["in another shape", { authorization_details: { ...entry } as never }, "authorization_details"],
    ["with a member that nobody knows", asking({ ...entry, limit: 5 }), "Unrecognized key"],
    [
      "with a limit that nobody knows",
      asking({ ...entry, constraints: { "arguments.amount_cents": { max: 5 } } }),
      "authorization_details.0.constraints.arguments.amount_cents",
    ],
    [
      "with a limit on no path",
      asking({ ...entry, constraints: { "arguments.*": { maximum: 5 } } }),
      "constraints.arguments.*",
    ],
    ["of a thousand things", asking(...Array.from({ length: 101 }, () => entry)), "authorization_details"],
    ["to oneself", { to: "test_agent" }, "test_agent is part of the chain already."],
    [
      "of what the user may never do",
      asking({ ...entry, actions: ["tools/call/account_close"] }),
      "mcp_payments: tools/call/account_close is more than policies ever allow to executor here.",
    ],
    [
      "of what the user may never do, among others",
      asking(REFUNDS, { ...entry, actions: ["tools/call/refund_*", "tools/call/account_close"] }),
      "is more than policies ever allow to executor here.",
    ],
    [
      "of a server that is unknown",
      asking({ ...entry, type: "mcp_vault" }),
      "is more than policies ever allow to executor here.",
    ],
    ["deeper than the guard allows", { maxDepth: 4 }, "maxDepth: 3 is the most that can be handed on."],
  ])("%s", async (_, options, reason) => {
    const parent = await desk.guard.session({
      principal: { id: "u", roles: ["clerk"] },
      agent: { id: "test_agent" },
    });
    const denial = await refusal(parent.delegate(delegation(options)));
    expect(denial.code).toBe("delegation_invalid");
    expect(denial.reason).toContain(reason);
    expect(denial.hop).toMatchObject({ action: "delegate" });
    expect(desk.records.at(-1)).toMatchObject({ effect: "deny", code: "delegation_invalid" });
    // Nothing has happened to the one who asked.
    expect(await codeOf(parent, refund(1))).toBe("allow");
  });

  it.each<[string, Partial<DelegateOptions>]>([
    [
      "with __proto__ among the limits",
      asking({ ...entry, constraints: JSON.parse('{"__proto__":{"maximum":5}}') as unknown }),
    ],
    ["that is no JSON", asking({ ...entry, actions: () => ["x"] })],
    ["that cannot be JSON", asking({ ...entry, actions: [1n] })],
  ])("%s", async (_, options) => {
    const denial = await refusal((await planner()).delegate(delegation(options)));
    expect(denial.code).toMatch(/^(delegation|arguments)_invalid$/);
  });

  it("by policies: which agent may delegate what to whom", async () => {
    const parent = await planner();
    expect(await refusal(parent.delegate(delegation({ to: "auditor" })))).toMatchObject({
      code: "policy_denied",
      refused_by: "subject",
      hop: { kind: "a2a_auditor", name: "auditor", action: "delegate" },
    });
    const helper = await handedOn(parent, ["helper"]);
    expect((await helper.delegate(delegation({ to: "auditor" }))).agent).toBe("auditor");
    expect(await refusal(parent.delegate(delegation({ to: "nobody_knows" })))).toMatchObject({
      code: "policy_denied",
    });
  });

  it.each<[string, Partial<DelegateOptions>, string]>([
    [
      "wider in its amount",
      asking({ ...REFUNDS, constraints: { "arguments.amount_cents": { maximum: 5001 } } }),
      "with arguments.amount_cents: the maximum is 5000.",
    ],
    [
      "of amounts, one of which is beyond it",
      asking({ ...REFUNDS, constraints: { "arguments.amount_cents": { enum: [1, 5001] } } }),
      "with arguments.amount_cents: 5001 was not granted.",
    ],
    [
      "wider in its actions",
      asking({ type: "mcp_payments", actions: ["tools/call/*"] }),
      "tools/call/* was not granted.",
    ],
    [
      "of another action",
      asking(REFUNDS, { ...entry, actions: ["tools/call/refund_cancel"] }),
      "was not granted.",
    ],
    [
      "of another kind",
      asking({ type: "llm_model", actions: ["completion"] }),
      "llm_model: completion was not granted.",
    ],
    ["back to the chain", { to: "executor" }, "executor is part of the chain already."],
    ["that outlives its own", { expiresIn: 7200 }, "expiresIn: the delegation would outlive"],
    ["deeper than its own", { maxDepth: 3 }, "maxDepth: 2 is the most"],
  ])("%s than what was received", async (_, options, reason) => {
    const child = await handedOn(await planner(), ["executor"], { maxDepth: 2 });
    const denial = await refusal(child.delegate({ ...delegation({ to: "helper" }), ...options }));
    expect(denial.code).toBe("delegation_invalid");
    expect(denial.reason).toContain(reason);
  });

  it.each(["Test-Agent", "test.agent", "TEST_AGENT"])("by %s to itself in another spelling", async (id) => {
    const principal = { id: "clerk-id", roles: ["clerk"] };
    const agent = await desk.guard.session({ principal, agent: { id } });
    const denial = await refusal(agent.delegate(delegation({ to: "test_agent" })));
    expect(denial.reason).toBe("test_agent is part of the chain already.");
  });

  it("wider than the first grant, although the second has left its limit out", async () => {
    const child = await handedOn(await planner(), ["executor"]);
    const [unlimited, wider] = [{}, { "arguments.amount_cents": { maximum: 5001 } }].map((constraints) => [
      { ...REFUNDS, constraints },
    ]);
    const second = await child.delegate(
      delegation({ to: "helper", mayDelegate: true, authorization_details: unlimited as never }),
    );
    const denial = await refusal(
      second.delegate(delegation({ to: "third", authorization_details: wider as never })),
    );
    expect(denial.reason).toContain("the maximum is 5000.");
  });

  it("within what the user's token is limited to alone", async () => {
    const limited = async (authorizationDetails: readonly (typeof REFUNDS)[]) =>
      desk.guardWith({ identity: trusting }).session({
        token: tokenOf({ authorizationDetails }),
        agent: { id: "root" },
      });
    expect((await refusal((await limited([])).delegate(delegation()))).reason).toContain("was not granted.");
    const fewer = await limited([{ ...REFUNDS, constraints: { "arguments.amount_cents": { maximum: 10 } } }]);
    expect((await refusal(fewer.delegate(delegation()))).reason).toContain("the maximum is 10.");
    const child = await fewer.delegate(
      delegation({ authorization_details: [{ ...REFUNDS, constraints: {} }] }),
    );
    expect(await codeOf(child, refund(10))).toBe("allow");
    expect(await child.check(refund(11))).toMatchObject({ denial: { refused_by: "subject" } });
  });

  it("onward, unless that was granted", async () => {
    const child = await (await planner()).delegate(delegation());
    expect(await refusal(child.delegate(delegation({ to: "helper" })))).toMatchObject({
      code: "delegation_invalid",
      reason: "executor may not delegate what it has received.",
    });
  });

  it("further down than the chain may be long", async () => {
    const third = await handedOn(await planner(), ["executor", "helper", "third"]);
    expect((await refusal(third.delegate(delegation({ to: "fourth" })))).reason).toBe(
      "A chain of delegations may have 3 links and no more.",
    );
    const short = await handedOn(await planner(), ["executor"], { maxDepth: 1 });
    expect((await refusal(short.delegate(delegation({ to: "helper" })))).reason).toBe(
      "A chain of delegations may have 1 links and no more.",
    );
  });

  it("of all that an agent has, where the guard is strict", async () => {
    const strict = { delegation: { strict: true } };
    const child = await (await planner(strict)).delegate(delegation({ mayDelegate: true }));
    const less = { ...REFUNDS, actions: ["tools/call/refund_issue"] };
    for (const same of [
      [REFUNDS],
      [{ ...REFUNDS, constraints: {} }],
      [less, { ...REFUNDS, actions: ["tools/call/balance_get"] }],
    ])
      expect(
        (await refusal(child.delegate(delegation({ to: "helper", authorization_details: same })))).reason,
      ).toContain("this is all that the delegating agent has");
    const last = await child.delegate(delegation({ to: "helper", authorization_details: [less] }));
    expect(await codeOf(last, refund(1))).toBe("allow");
  });

  it.each<[string, unknown, RegExp]>([
    ["nothing to hand on", { to: "executor" }, /authorization_details/],
    ["nobody to hand it to", { authorization_details: [] }, /delegate\.to/],
    ["an agent whose name the PDP folds", delegation({ to: "the-executor" }), /delegate\.to/],
    ["an agent by a name in capitals", delegation({ to: "Executor" }), /delegate\.to/],
    ["an agent by a name in another script", delegation({ to: "ехecutor" }), /delegate\.to/],
    ["an agent by the name of the subject", delegation({ to: "subject" }), /delegate\.to\.id/],
    ["an agent that is no text", delegation({ to: 7 as never }), /delegate\.to/],
    ["an agent with a token", delegation({ to: { id: "executor", token: "x" } as never }), /delegate\.to/],
    [
      "an agent with a name of the guard's own",
      delegation({ to: { id: "executor", attr: { delegation: {} } } }),
      /attr/,
    ],
    ["a misspelt option", { ...delegation(), maydelegate: true }, /maydelegate/],
    ["a depth that is no number", { ...delegation(), maxDepth: "2" }, /maxDepth/],
    ["a depth of none", delegation({ maxDepth: 0 }), /maxDepth/],
    ["a life that is over", delegation({ expiresIn: 0 }), /expiresIn/],
    ["an endless life", delegation({ expiresIn: Infinity }), /expiresIn/],
    [
      "a life that is longer than the end of a session is kept",
      delegation({ expiresIn: 7 * 86_400 + 1 }),
      /expiresIn/,
    ],
    ["may as text", { ...delegation(), mayDelegate: "true" }, /mayDelegate/],
  ])("as an error of the developer's: %s", async (_, options, words) => {
    const parent = await planner();
    await expect(parent.delegate(options as DelegateOptions)).rejects.toThrow(words);
    await expect(parent.delegate(options as DelegateOptions)).rejects.toThrow(
      expect.objectContaining({ name: "ConfigurationError" }),
    );
  });
});

describe("what was granted is read once", () => {
  let pdp: StubPdp;
  let parent: Session;
  const wide = { type: "mcp_payments", actions: ["tools/call/refund_issue", "tools/call/refund_cancel"] };
  beforeEach(async () => {
    pdp = stubPdp({ rules: [() => true], plan: () => "always" });
    const guard = createGuard({ pdp, audit: () => undefined, repeats: false });
    parent = await guard.session({ principal: { id: "u", roles: ["clerk"] }, agent: { id: "root" } });
  });

  /** That the policy has seen what is enforced, and that it is the narrow one. */
  async function expectNarrow(child: Session): Promise<void> {
    expect(child.agent).toBe("executor");
    const decided = pdp.queries.find(({ actions }) => actions.includes("delegate"));
    expect(decided?.resource).toMatchObject({
      kind: "a2a_executor",
      attr: { grant: [REFUNDS], may_delegate: false },
    });
    expect(await codeOf(child, refund(5000))).toBe("allow");
    expect(await codeOf(child, refund(5001))).toBe("delegation_invalid");
    expect(await codeOf(child, cancel)).toBe("delegation_invalid");
    expect(pdp.queries.at(-1)?.principal.attr).toMatchObject({
      delegation: { depth: 1, chain: [{ agent: "executor", grant: [REFUNDS] }], may_delegate: false },
    });
    expect((await refusal(child.delegate(delegation({ to: "helper" })))).code).toBe("delegation_invalid");
  }

  const changeable = () =>
    structuredClone(REFUNDS) as unknown as Record<"actions", string[]> & { constraints: object };

  /** Says one thing the first time, and another from then on. */
  const twice = <T extends object>(target: T, name: string, first: unknown, later: unknown): T => {
    let asked = 0;
    return Object.defineProperty(target, name, {
      enumerable: true,
      get: () => (asked++ === 0 ? first : later),
    });
  };

  it("though the options change right after the call", async () => {
    const entry = changeable();
    const options = { ...delegation(), authorization_details: [entry] as never };
    const promise = parent.delegate(options);
    entry.actions.push("tools/call/refund_cancel");
    Reflect.deleteProperty(entry.constraints, "arguments.amount_cents");
    Object.assign(options, { to: "helper", mayDelegate: true, authorization_details: [wide] });
    await expectNarrow(await promise);
  });

  it("though they change while the PDP thinks", async () => {
    const entry = changeable();
    const to = { id: "executor", roles: ["payer"] };
    pdp.interrupt((query) => {
      entry.actions.push("tools/call/refund_cancel");
      entry.constraints = {};
      to.id = "helper";
      to.roles.push("admin");
      return Promise.resolve({
        effects: new Map(query.actions.map((action) => [action, "allow" as const])),
        matchedPolicies: new Map(),
        outputs: [],
        validationErrors: [],
      });
    });
    const child = await parent.delegate(delegation({ to, authorization_details: [entry] as never }));
    pdp.interrupt(undefined);
    await expectNarrow(child);
    expect(pdp.queries.at(-1)?.principal.attr).toMatchObject({ agent: { id: "executor", roles: ["payer"] } });
  });

  it.each<[string, () => DelegateOptions]>([
    ["getters of the options", () => twice(delegation(), "authorization_details", [REFUNDS], [wide])],
    [
      "getters of an entry",
      () =>
        delegation({
          authorization_details: [twice({ ...REFUNDS }, "actions", REFUNDS.actions, wide.actions)],
        }),
    ],
    [
      "toJSON of an entry",
      () => delegation({ authorization_details: [{ ...wide, toJSON: () => REFUNDS }] as never }),
    ],
    [
      "a proxy",
      () => {
        let asked = 0;
        const entry = new Proxy(
          { ...REFUNDS },
          {
            get: (target, name) =>
              name === "actions" && asked++ > 0 ? wide.actions : (Reflect.get(target, name) as unknown),
          },
        );
        return delegation({ authorization_details: [entry] });
      },
    ],
    ["a getter of whom it is for", () => delegation({ to: twice({ id: "" }, "id", "executor", "helper") })],
    ["a getter of whether it may go on", () => twice(delegation(), "mayDelegate", false, true)],
    ["a getter of the agent", () => twice(delegation(), "to", "executor", "helper")],
  ])("by %s: what is enforced is what the policy saw", async (_, options) => {
    const given = options();
    const child = await parent.delegate(given).catch((error: unknown) => error as Error);
    // One that is caught out in contradictions may be refused as well.
    if (child instanceof Error) expect(child.name).toMatch(/ConfigurationError|AuthorizationDenied/);
    else await expectNarrow(child);
  });

  it("and is shown to policies as it is enforced: a model by what its name stands for", async () => {
    const guard = createGuard({ pdp, audit: () => undefined, models: { "team-best": "gpt-4o" } });
    const session = await guard.session({ principal: { id: "u", roles: ["clerk"] }, agent: { id: "root" } });
    const named = (identifier: string) => [{ type: "llm_model", identifier, actions: ["completion"] }];
    const child = await session.delegate(delegation({ authorization_details: named("team-best") }));
    expect(pdp.queries.at(-1)).toMatchObject({
      actions: ["delegate"],
      resource: { attr: { grant: named("gpt-4o") } },
    });
    await child.check({ kind: "llm_model", id: "gpt-4o", action: "completion" });
    expect(pdp.queries.at(-1)?.principal.attr).toMatchObject({
      delegation: { chain: [{ grant: named("gpt-4o") }] },
    });
  });

  it("and may not be changed in the policy's sight", async () => {
    await parent.delegate(delegation());
    const grant = pdp.queries.at(-1)?.resource.attr.grant as unknown as { actions: string[] }[];
    expect(() => grant[0]?.actions.push("tools/call/refund_cancel")).toThrow(TypeError);
  });
});

describe("delegating at once", () => {
  it("gives each agent its own, and none another's", async () => {
    const parent = await planner();
    const amounts = Array.from({ length: 20 }, (_, index) => 100 + index);
    const children = await Promise.all(
      amounts.map((maximum, index) =>
        parent.delegate(
          delegation({
            to: index % 2 === 0 ? "executor" : "helper",
            authorization_details: [{ ...REFUNDS, constraints: { "arguments.amount_cents": { maximum } } }],
          }),
        ),
      ),
    );
    expect(new Set(children.map(({ delegation }) => delegation)).size).toBe(20);
    expect(new Set(children.map(({ id }) => id))).toEqual(new Set([parent.id]));
    const codes = await Promise.all(
      children.flatMap((child, index) => {
        const maximum = amounts[index] ?? 0;
        return [codeOf(child, refund(maximum)), codeOf(child, refund(maximum + 1))];
      }),
    );
    expect(codes).toEqual(children.flatMap(() => ["allow", "delegation_invalid"]));
    await desk.guard.revoke({ delegation: String(children[7]?.delegation) });
    const after = await Promise.all(children.map((child) => codeOf(child, refund(1))));
    expect(after).toEqual(children.map((_, index) => (index === 7 ? "revoked" : "allow")));
  });
});
