import { type DelegateOptions, type GuardOptions, type Hop, type Session } from "hopguard";
import { PdpError } from "hopguard";
import { stubPdp } from "hopguard/testing";
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
} from "../support/delegations";
import { openDesk, type Desk } from "../support/desk";
import type { Policy, Rule } from "../support/policies";

const allow = (roles: readonly string[], action: string, expr?: string): Rule => ({
  actions: [action],
  effect: "EFFECT_ALLOW",
  roles,
  ...(expr !== undefined && { condition: { match: { expr } } }),
});

/** What policies can build on, one action for each fact. */
const FACTS: Readonly<Record<string, string>> = {
  first: "P.attr.delegation.depth == 0.0 && P.attr.delegation.chain == []",
  second: "P.attr.delegation.depth == 2.0",
  by_executor: 'P.attr.delegation.chain[0].agent == "executor" && P.attr.agent.id == "helper"',
  small: 'P.attr.delegation.chain.all(link, link.grant.all(entry, entry.type == "tool_facts"))',
  handed_on: "P.attr.delegation.may_delegate",
  shallow: "P.attr.delegation.max_depth == 2.0",
  initiated: 'P.attr.delegation.initiated_by == P.id && P.id == "clerk-id"',
};
const POLICIES: readonly Policy[] = [
  ...DELEGATION_POLICIES,
  {
    kind: "tool_facts",
    rules: Object.entries(FACTS).map(([name, expr]) => allow(["clerk"], `tools/call/${name}`, expr)),
  },
  {
    kind: "tool_vault",
    rules: [
      allow(["clerk", "keeper"], "tools/call/open"),
      // The role that every agent has where agents are principals.
      allow(["clerk", "agent"], "tools/call/look"),
      allow(["clerk", "agent"], "tools/call/named", 'P.id in ["clerk-id", "root", "executor", "helper"]'),
      allow(["clerk"], "tools/call/enter"),
      allow(
        ["agent"],
        "tools/call/enter",
        'P.attr.type == "agent" && P.attr.subject.id == "clerk-id" && P.attr.delegation.depth == 2.0',
      ),
    ],
  },
  {
    kind: "tool_counted",
    rules: [
      allow(["clerk"], "tools/call/budget", "R.attr.context.usage.session.calls <= 7.0"),
      allow(["clerk"], "tools/call/task_budget", "R.attr.context.usage.task.calls <= 7.0"),
      allow(["clerk"], "tools/call/step", "R.attr.context.session.steps <= 6.0"),
      allow(["clerk"], "tools/call/after", 'R.attr.context.session.calls["tools/call/before"] >= 1.0'),
      allow(["clerk"], "tools/call/before"),
    ],
  },
];

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk({ policies: POLICIES });
});
beforeEach(() => desk.reset());
afterAll(() => desk.close());

const call = (kind: string, tool: string): Hop => ({ kind, action: `tools/call/${tool}` });
const all = (type: string) => [{ type, actions: ["tools/call/*"] }];
const open = (options: Partial<GuardOptions> = {}, roles: readonly string[] = []): Promise<Session> =>
  desk.guardWith(options).session({
    principal: { id: "clerk-id", roles: ["clerk"] },
    agent: { id: "root", roles },
    task: { id: "T-1" },
  });

describe("policies can build on", () => {
  const facts = all("tool_facts");
  const allowed = async (session: Session): Promise<readonly string[]> => {
    const decided = await Promise.all(
      Object.keys(FACTS).map((name) => session.check(call("tool_facts", name))),
    );
    return Object.keys(FACTS).filter((_, index) => decided[index]?.effect === "allow");
  };

  it("how deep a delegation is, through whom, of what, how far it may go, and for whom", async () => {
    const root = await open();
    expect(await allowed(root)).toEqual(["first", "small", "handed_on", "initiated"]);
    const one = await root.delegate(
      delegation({ authorization_details: facts, mayDelegate: true, maxDepth: 2 }),
    );
    expect(await allowed(one)).toEqual(["small", "handed_on", "shallow", "initiated"]);
    const two = await one.delegate(delegation({ to: "helper", authorization_details: facts }));
    expect(await allowed(two)).toEqual(["second", "by_executor", "small", "shallow", "initiated"]);
    const other = await root.delegate(delegation({ authorization_details: [...facts, REFUNDS] }));
    expect(await allowed(other)).toEqual(["initiated"]);
  });

  it("the same of what is to be handed on", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const root = await open({ pdp });
    await root.delegate(
      delegation({ authorization_details: all("tool_facts"), maxDepth: 2, expiresIn: 60, mayDelegate: true }),
    );
    expect(pdp.queries.at(-1)).toMatchObject({
      resource: {
        kind: "a2a_executor",
        attr: {
          agent: "executor",
          grant: all("tool_facts"),
          depth: 1,
          may_delegate: true,
          max_depth: 2,
          expires_in: 60,
        },
      },
      actions: ["delegate"],
      principal: { id: "clerk-id", attr: { agent: { id: "root" }, delegation: { depth: 0 } } },
    });
  });

  it("a name of the guard's own is nobody else's to set", async () => {
    const provider = (adds: "principal" | "agent" | "task", keys: readonly string[]) => ({
      name: "x",
      adds,
      keys,
      provide: () => Promise.resolve({ delegation: { depth: 0, may_delegate: true } }),
    });
    for (const adds of ["principal", "agent"] as const)
      expect(() => desk.guardWith({ enrich: [provider(adds, ["delegation"])] })).toThrow(
        /delegation is a name/,
      );
    const pdp = stubPdp({ rules: [() => true] });
    const undeclared = await open({ pdp, enrich: [provider("principal", ["team"])] });
    expect(await codeOf(undeclared, balance)).toBe("enrichment_failed");
    const ofTask = await open({ pdp, enrich: [provider("task", ["delegation"])] });
    await ofTask.check(balance);
    expect(pdp.queries.at(-1)?.principal.attr).toMatchObject({
      delegation: { depth: 0, initiated_by: "clerk-id" },
    });
    await expect(
      desk.guard.session({
        principal: { id: "u", roles: ["clerk"], attr: { delegation: {} } },
        agent: { id: "x" },
      }),
    ).rejects.toThrow(/delegation: is a name of the guard's own/);
    expect(await codeOf(await open(), { ...balance, attr: { context: { session: {} } } })).toBe(
      "unsupported_hop",
    );
  });
});

describe("where agents are principals", () => {
  const agents = { agents: "principal" } as const;
  const vault = all("tool_vault");
  const to = (id: string, ...roles: string[]): Partial<DelegateOptions> => ({
    to: { id, roles },
    authorization_details: vault,
    mayDelegate: true,
  });
  const chain = async (...roles: readonly (readonly string[])[]): Promise<Session> => {
    const root = await open(agents, roles[0]);
    const one = await root.delegate(delegation(to("executor", ...(roles[1] ?? []))));
    return one.delegate(delegation(to("helper", ...(roles[2] ?? []))));
  };

  it.each([
    ["nobody", [["keeper"], ["keeper"], ["keeper"]]],
    ["root", [["guest"], ["keeper"], ["keeper"]]],
    ["executor", [["keeper"], [], ["keeper"]]],
    ["helper", [["keeper"], ["keeper"], ["clerks"]]],
  ])("every agent of the chain must be allowed, and %s is refused", async (who, roles) => {
    const decision = await (await chain(...roles)).check(call("tool_vault", "open"));
    if (who === "nobody") expect(decision.effect).toBe("allow");
    else expect(decision).toMatchObject({ denial: { code: "policy_denied", refused_by: who } });
  });

  it("each is asked about with its own roles, the role of agents, and nobody else's", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const root = await open({ ...agents, pdp }, ["planner-role"]);
    const one = await root.delegate(delegation(to("executor", "payer", "agent")));
    const two = await one.delegate(delegation(to("helper")));
    const before = pdp.queries.length;
    await two.check(call("tool_vault", "open"));
    const asked = pdp.queries
      .slice(before)
      .map(({ principal: { id, roles, attr } }) => ({ id, roles, type: attr.type }));
    expect(asked).toEqual([
      { id: "clerk-id", roles: ["clerk"], type: "user" },
      { id: "helper", roles: ["agent"], type: "agent" },
      { id: "root", roles: ["planner-role", "agent"], type: "agent" },
      { id: "executor", roles: ["payer", "agent"], type: "agent" },
    ]);
    for (const { principal } of pdp.queries.slice(before))
      expect(principal.attr).toMatchObject({
        agent: { id: "helper" },
        delegation: { depth: 2, initiated_by: "clerk-id" },
      });
  });

  it("the role of agents, the agent's own id and the subject behind it are there for policies", async () => {
    const two = await chain();
    for (const tool of ["look", "named", "enter"])
      expect(await codeOf(two, call("tool_vault", tool))).toBe("allow");
    const root = await open(agents);
    const third = await handedOn(root, ["third"], { authorization_details: vault });
    expect(await third.check(call("tool_vault", "named"))).toMatchObject({ denial: { refused_by: "third" } });
    expect(await third.check(call("tool_vault", "enter"))).toMatchObject({ denial: { refused_by: "third" } });
  });

  it("what an agent may never do cannot be handed to it", async () => {
    const root = await open(agents, ["keeper"]);
    const exact = { authorization_details: [{ type: "tool_vault", actions: ["tools/call/open"] }] };
    expect((await refusal(root.delegate(delegation({ ...to("executor", "guest"), ...exact })))).code).toBe(
      "delegation_invalid",
    );
    const child = await root.delegate(delegation({ ...to("executor", "keeper"), ...exact }));
    expect(await codeOf(child, call("tool_vault", "open"))).toBe("allow");
  });

  it("no role makes an agent more than its chain", async () => {
    const child = await (
      await open(agents, ["keeper"])
    ).delegate(delegation(to("executor", "keeper", "clerk", "admin")));
    expect(await codeOf(child, { kind: "llm_model", id: "gpt-4o", action: "completion" })).toBe(
      "delegation_invalid",
    );
    expect(await codeOf(child, call("tool_vault", "burn"))).toBe("policy_denied");
  });
});

describe("on record", () => {
  it("stand the agents that the work passed through, and the delegation that a denial can be traced to", async () => {
    const root = await open();
    const one = await handedOn(root, ["executor"]);
    const two = await handedOn(one, ["helper"]);
    desk.reset();
    for (const session of [root, one, two]) await session.check(refund(1));
    await two.check(cancel);
    expect(desk.records).toMatchObject([
      { effect: "allow", agent: { id: "root" }, chain: [] },
      { effect: "allow", agent: { id: "executor" }, chain: ["root"], delegation: one.delegation },
      { effect: "allow", agent: { id: "helper" }, chain: ["root", "executor"], delegation: two.delegation },
      {
        effect: "deny",
        code: "delegation_invalid",
        refused_by: "executor",
        agent: { id: "helper" },
        chain: ["root", "executor"],
        delegation: two.delegation,
        subject: { id: "clerk-id" },
      },
    ]);
    expect(desk.records[0]).not.toHaveProperty("delegation");
    expect(new Set(desk.records.map(({ session }) => session))).toEqual(new Set([root.id]));
    expect(desk.records.map(({ task }) => task)).toEqual(["T-1", "T-1", "T-1", "T-1"]);
  });

  it("stands who handed on what to whom, allowed or refused", async () => {
    const root = await open({ recordArguments: true });
    await root.delegate(delegation());
    expect(desk.records.at(-1)).toMatchObject({
      effect: "allow",
      hop: { kind: "a2a_executor", name: "executor", action: "delegate" },
      agent: { id: "root" },
      subject: { id: "clerk-id" },
    });
    await refusal(root.delegate(delegation({ to: "auditor" })));
    expect(desk.records.at(-1)).toMatchObject({
      effect: "deny",
      hop: { kind: "a2a_auditor", action: "delegate" },
    });
  });

  it("nothing is handed on that cannot be recorded", async () => {
    let isFull = false;
    const root = await open({
      audit: () => {
        if (isFull) throw new Error("disk full");
      },
    });
    isFull = true;
    expect((await refusal(root.delegate(delegation()))).code).toBe("audit_failed");
  });
});

describe("an agent that is told nothing", () => {
  it("cannot tell what was not granted from what does not exist, or is not allowed", async () => {
    const root = await open({ denials: "hide" });
    const child = await root.delegate(delegation());
    const told = async (session: Session, action: string) => {
      const decision = await session.check({ ...refund(1), action });
      if (decision.effect === "allow") throw new Error("allowed");
      const { hop: _hop, decision_id: _id, ...rest } = decision.denial;
      return rest;
    };
    const notGranted = await told(child, "tools/call/refund_cancel");
    expect(notGranted).toEqual(await told(child, "tools/call/no_such_tool"));
    expect(notGranted).toEqual(await told(root, "tools/call/account_close"));
    expect(notGranted).not.toHaveProperty("refused_by");
    const { reason, code } = await refusal(child.delegate(delegation({ to: "helper" })));
    expect({ reason, code }).toEqual({ reason: notGranted.reason, code: "policy_denied" });
    expect(desk.records.at(-1)?.detail).toContain("executor may not delegate");
  });
});

describe("while the PDP is unreachable", () => {
  it("what the operator lets pass is still within the grant", async () => {
    const pdp = stubPdp({ rules: [() => true], plan: () => "always" });
    const degraded = { allow: [{ kind: "mcp_payments" }, { kind: "a2a_helper" }] };
    const child = await handedOn(await open({ pdp, degraded }), ["executor"]);
    pdp.interrupt(() => Promise.reject(new PdpError("pdp_unavailable", "nobody there")));
    expect(await child.check(refund(5000))).toMatchObject({ effect: "allow", degraded: true });
    for (const hop of [refund(5001), cancel]) expect(await codeOf(child, hop)).toBe("delegation_invalid");
    // What the user may cannot be found out, and so it cannot be handed on.
    expect((await refusal(child.delegate(delegation({ to: "helper" })))).code).toBe("pdp_unavailable");
  });
});

describe("parent and children share", () => {
  const counted = { authorization_details: all("tool_counted"), mayDelegate: true };
  const family = async (
    options: Partial<GuardOptions> = {},
  ): Promise<readonly [Session, Session, Session]> => {
    const root = await open(options);
    const one = await handedOn(root, ["executor"], counted);
    return [root, one, await handedOn(one, ["helper"], counted)];
  };

  it.each(["budget", "task_budget"])("one %s, at any concurrency", async (tool) => {
    // Two of the seven calls went into handing on.
    const sessions = await family({ usage: {} });
    const codes = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        codeOf(sessions[index % 3] ?? sessions[0], call("tool_counted", tool)),
      ),
    );
    expect(codes.filter((code) => code === "allow")).toHaveLength(5);
    expect(codes.filter((code) => code === "policy_denied")).toHaveLength(25);
  });

  it("one count of steps, and of what was done", async () => {
    const [root, one, two] = await family();
    expect(await codeOf(two, call("tool_counted", "after"))).toBe("policy_denied");
    const before = await root.check(call("tool_counted", "before"));
    if (before.effect === "allow") before.settle("done");
    expect(await codeOf(two, call("tool_counted", "after"))).toBe("allow");
    expect(await codeOf(one, call("tool_counted", "step"))).toBe("allow");
    expect(await codeOf(two, call("tool_counted", "step"))).toBe("policy_denied");
    expect(await codeOf(root, call("tool_counted", "step"))).toBe("policy_denied");
  });
});
