import { AuthorizationDeniedError, type DelegateOptions, type Denial, type Session } from "hopguard";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDesk, type Desk } from "../support/desk";

/** Roles: `clerk` may do everything here, but never close an account. */
const rule = (actions: string[], expr?: string) => ({
  actions,
  effect: "EFFECT_ALLOW" as const,
  roles: ["clerk", "agent"],
  ...(expr !== undefined && { condition: { match: { expr } } }),
});
const POLICIES = [
  {
    kind: "mcp_payments",
    rules: [
      rule(["initialize", "tools/list", "tools/call/balance_get"]),
      rule(["tools/call/refund_issue"], "R.attr.arguments.amount_cents <= 100000"),
      rule(["tools/call/refund_cancel"]),
    ],
  },
  { kind: "llm_model", rules: [rule(["completion", "list"])] },
  ...["planner", "executor", "helper", "auditor"].map((agent) => ({
    kind: `a2a_${agent}`,
    rules: [rule(["delegate"], agent === "auditor" ? "P.attr.agent.id == 'helper'" : undefined)],
  })),
];

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk({ policies: POLICIES });
});
beforeEach(() => desk.reset());
afterAll(() => desk.close());

const planner = (): Promise<Session> => desk.session("clerk");

const REFUNDS = [
  {
    type: "mcp_payments",
    actions: ["tools/call/refund_issue", "tools/call/balance_get"],
    constraints: { "arguments.amount_cents": { maximum: 5000 } },
  },
] as const;

const refund = (amount_cents: number) => ({
  kind: "mcp_payments",
  action: "tools/call/refund_issue",
  attr: { arguments: { amount_cents } },
});

const executor = (options: Partial<DelegateOptions> = {}): DelegateOptions => ({
  to: "executor",
  authorization_details: REFUNDS,
  ...options,
});

async function refusal(promise: Promise<unknown>): Promise<Denial> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!AuthorizationDeniedError.isInstance(error)) throw new Error(`no denial: ${String(error)}`);
  return error.denial;
}

describe("a delegated session", () => {
  it("may do what was granted, and nothing else", async () => {
    const child = await (await planner()).delegate(executor());
    expect(await child.check(refund(5000))).toMatchObject({ effect: "allow" });
    for (const hop of [
      refund(5001),
      { ...refund(1), attr: {} },
      { ...refund(1), action: "tools/call/refund_cancel" },
      { kind: "llm_model", id: "gpt-4o", action: "completion" },
    ])
      expect(await child.check(hop)).toMatchObject({
        denial: { code: "delegation_invalid", refused_by: "executor" },
      });
    const { pdp_call_ids: asked } = desk.records.at(-1) ?? {};
    expect(asked).toEqual([]);
  });

  it("is never more than the user, whatever was granted", async () => {
    const child = await (
      await planner()
    ).delegate(
      executor({ authorization_details: [{ type: "mcp_payments", actions: ["tools/call/refund_*"] }] }),
    );
    expect(await child.check(refund(100_001))).toMatchObject({ denial: { code: "policy_denied" } });
  });

  it("counts with the session that it works for, and carries the chain", async () => {
    const parent = await planner();
    await parent.check(refund(1));
    const child = await parent.delegate(executor());
    await child.check(refund(2));
    const last = desk.records.at(-1);
    expect(last).toMatchObject({
      chain: ["test-agent"],
      agent: { id: "executor" },
      session: parent.id,
      step: 3,
    });
  });

  it("ends with its delegation, its parent's, its session, its task, and any agent of the chain", async () => {
    for (const target of ["delegation", "session", "task", "root", "agent"] as const) {
      const parent = await desk.guard.session({
        principal: { id: "u", roles: ["clerk"] },
        agent: { id: `root_${target}` },
        task: { id: `task ${target}` },
      });
      const child = await parent.delegate(executor({ mayDelegate: true, to: `executor` }));
      const last = await child.delegate(executor({ to: "helper" }));
      expect(await last.check(refund(1))).toMatchObject({ effect: "allow" });
      const what = {
        delegation: { delegation: String(child.delegation) },
        session: { session: parent.id },
        task: { task: `task ${target}` },
        root: { agent: `root_${target}` },
        agent: { agent: "executor" },
      }[target];
      await desk.guard.revoke(what);
      expect(await last.check(refund(1))).toMatchObject({ denial: { code: "revoked" } });
      await desk.guard.restore(what);
    }
  });
});

describe("a delegation is refused", () => {
  it.each<[string, Partial<DelegateOptions>]>([
    ["of everything", { authorization_details: [{ type: "mcp_payments", actions: ["*"] }] }],
    ["to oneself", { to: "test_agent" }],
    ["that nobody can read", { authorization_details: [{ type: "mcp payments" }] as never }],
    [
      "of what the user may never do",
      { authorization_details: [{ type: "mcp_payments", actions: ["tools/call/account_close"] }] },
    ],
    ["that a policy denies", { to: "auditor" }],
    ["deeper than the guard allows", { maxDepth: 4 }],
  ])("%s", async (what, options) => {
    const parent = await desk.guard.session({
      principal: { id: "u", roles: ["clerk"] },
      agent: { id: "test_agent" },
    });
    const { code } = await refusal(parent.delegate(executor(options)));
    expect(code).toBe(what.includes("policy") ? "policy_denied" : "delegation_invalid");
  });

  it.each<[string, Partial<DelegateOptions>]>([
    [
      "wider in its amount",
      {
        authorization_details: [
          { ...REFUNDS[0], constraints: { "arguments.amount_cents": { maximum: 5001 } } },
        ],
      },
    ],
    [
      "wider in its actions",
      { authorization_details: [{ type: "mcp_payments", actions: ["tools/call/*"] }] },
    ],
    ["back to the chain", { to: "executor" }],
    ["that outlives its own", { expiresIn: 7200 }],
  ])("%s", async (_, options) => {
    const child = await (await planner()).delegate(executor({ mayDelegate: true }));
    const { code } = await refusal(child.delegate({ ...executor({ to: "helper" }), ...options }));
    expect(code).toBe("delegation_invalid");
  });

  it("onward, unless that was granted", async () => {
    const child = await (await planner()).delegate(executor());
    expect(await refusal(child.delegate(executor({ to: "helper" })))).toMatchObject({
      code: "delegation_invalid",
      reason: "executor may not delegate what it has received.",
    });
  });
});
