import {
  AuthorizationDeniedError,
  type AuthorizationDetails,
  type DelegateOptions,
  type Denial,
  type Hop,
  type Session,
  type VerifiedIdentity,
} from "hopguard";
import type { Policy, Rule } from "./policies";

const rule = (actions: readonly string[], expr?: string, roles: readonly string[] = ["clerk"]): Rule => ({
  actions,
  effect: "EFFECT_ALLOW",
  roles,
  ...(expr !== undefined && { condition: { match: { expr } } }),
});

/** Agents that work may be handed to. `auditor` takes work from `helper` alone. */
const AGENTS = ["executor", "helper", "third", "fourth", "auditor"];

/** What a clerk may do: pay back up to a cap, ask models, and have agents hand work on. Never close an account. */
export const DELEGATION_POLICIES: readonly Policy[] = [
  {
    kind: "mcp_payments",
    rules: [
      rule(["initialize", "tools/list", "tools/call/balance_get", "tools/call/refund_cancel"]),
      rule(["tools/call/refund_issue"], "R.attr.arguments.amount_cents <= 100000.0"),
    ],
  },
  { kind: "llm_model", rules: [rule(["completion", "list", "hosted_tools/web_search", "hosted_tools/mcp"])] },
  ...AGENTS.map((agent) => ({
    kind: `a2a_${agent}`,
    rules: [
      rule(["delegate"], agent === "auditor" ? "P.attr.agent.id == 'helper'" : undefined, ["clerk", "agent"]),
    ],
  })),
];

/** Refunds up to 50, and looking at balances. */
export const REFUNDS: AuthorizationDetails = {
  type: "mcp_payments",
  actions: ["tools/call/refund_issue", "tools/call/balance_get"],
  constraints: { "arguments.amount_cents": { maximum: 5000 } },
};

export const refund = (amount_cents: number): Hop => ({
  kind: "mcp_payments",
  action: "tools/call/refund_issue",
  attr: { arguments: { amount_cents } },
});
export const balance: Hop = { ...refund(1), action: "tools/call/balance_get" };
export const cancel: Hop = { ...refund(1), action: "tools/call/refund_cancel" };

/** A delegation of refunds to the executor, or what is said instead. */
export const delegation = (options: Partial<DelegateOptions> = {}): DelegateOptions => ({
  to: "executor",
  authorization_details: [REFUNDS],
  ...options,
});

/** A session of the last of these agents, each of which was handed all that the one before it had. */
export async function handedOn(
  parent: Session,
  agents: readonly string[],
  options: Partial<DelegateOptions> = {},
): Promise<Session> {
  let last = parent;
  for (const to of agents) last = await last.delegate(delegation({ mayDelegate: true, ...options, to }));
  return last;
}

/** The denial that something was refused with; fails when it was not. */
export async function refusal(promise: Promise<unknown>): Promise<Denial> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!AuthorizationDeniedError.isInstance(error)) throw new Error(`no denial: ${String(error)}`);
  return error.denial;
}

/** `allow`, or the code of the denial. */
export async function codeOf(session: Session, hop: Hop): Promise<string> {
  const decision = await session.check(hop);
  return decision.effect === "allow" ? "allow" : decision.denial.code;
}

/** A verifier whose tokens are what they say, for what comes after a token was verified. */
export const trusting = {
  verify: (token: string): Promise<VerifiedIdentity> =>
    Promise.resolve(JSON.parse(token) as VerifiedIdentity),
};

/** A token for {@link trusting}. */
export const tokenOf = (identity: Partial<VerifiedIdentity> = {}): string =>
  JSON.stringify({
    principal: { id: "clerk-id", roles: ["clerk"] },
    auth: { method: "jwt", verified: true },
    ...identity,
  });
