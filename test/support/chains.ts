import fc from "fast-check";
import type { AuthorizationDetails } from "hopguard";
import type { Grant, GrantedHop } from "../../src/core/grant";
import { changes, EVERY_HOP, grants } from "./grants";
import type { Policy, Rule } from "./policies";

/** `agent` is the role that every agent has where agents are principals of their own. */
const ROLES = ["reader", "clerk", "keeper"];
export const AGENTS = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
/** How many links a chain may have. */
export const MAX_DEPTH = 4;

const rule = (roles: readonly string[], actions: readonly string[], expr?: string): Rule => ({
  actions,
  effect: "EFFECT_ALLOW",
  roles,
  ...(expr !== undefined && { condition: { match: { expr } } }),
});
const tools: readonly Rule[] = [
  rule(ROLES, ["initialize", "list", "tools/list", "prompts/list"]),
  rule(["reader", "keeper"], ["prompts/get/x", "tools/call/y"]),
  rule(["clerk"], ["tools/call/x"], "R.attr.arguments.v <= 2.0"),
  rule(["clerk"], ["tools/call/xy"], "R.attr.owner == 'ada'"),
  rule(["keeper"], ["tools/call/x", "tools/call/xy"]),
];

/** What each role may do in the small world of grants; the policies know nothing of delegation. */
export const CHAIN_POLICIES: readonly Policy[] = [
  { kind: "mcp_a", rules: tools },
  { kind: "tool_b", rules: tools },
  {
    kind: "llm_model",
    rules: [
      rule(ROLES, ["list"]),
      rule(["clerk"], ["completion"], "R.id == 'a'"),
      rule(["keeper"], ["completion"]),
    ],
  },
  ...AGENTS.map((agent) => ({ kind: `a2a_${agent}`, rules: [rule([...ROLES, "agent"], ["delegate"])] })),
];

/** The hops that there are of them: what a kind names is the id of its resources. */
export const CHAIN_HOPS: readonly GrantedHop[] = EVERY_HOP.filter(
  ({ kind, id }) => kind === "llm_model" || kind.endsWith(`_${id}`),
);

/** What a user's agent hands on where nothing limits it. */
const BROAD: Grant = [
  { type: "mcp_a", actions: ["tools/call/*", "prompts/*"] },
  { type: "tool_b", actions: ["t*"] },
  { type: "llm_model", actions: ["completion", "list"] },
];

const some = fc.subarray(ROLES, { minLength: 1 });
const roles = fc.oneof({ weight: 3, arbitrary: fc.constant(ROLES) }, some);
const rolesOfAgents = fc.oneof(fc.constant(ROLES), some);

/** One attempt to hand on a part of what an agent has. */
export interface Attempt {
  readonly to: string;
  readonly roles: readonly string[];
  /** Entries of what the delegating agent has, by their places, and what becomes of each. */
  readonly entries: readonly { readonly from: number; readonly change: Partial<AuthorizationDetails> }[];
  readonly mayDelegate: boolean;
  readonly maxDepth: number | undefined;
}

/** A user, the agent that works for him, and whom the work is handed to. */
export interface ChainPlan {
  readonly agents: "context" | "principal";
  readonly user: readonly string[];
  readonly root: readonly string[];
  /** What the user's own token is limited to. */
  readonly limit: Grant | undefined;
  readonly strict: boolean;
  readonly attempts: readonly Attempt[];
  /** Which hops are tried: a number for each, among those that a link of the chain permits, or among all. */
  readonly hops: readonly (readonly [link: number, index: number])[];
}

const rarely = <T>(one: T, other: T): fc.Arbitrary<T> =>
  fc.oneof({ weight: 15, arbitrary: fc.constant(one) }, fc.constant(other));
const change = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 2, arbitrary: changes },
  // What is left out is still the limit of whoever said it.
  { weight: 1, arbitrary: fc.constant({ constraints: {} }) },
  { weight: 1, arbitrary: changes.map(({ constraints = {} }) => ({ constraints })) },
);

const attempt: fc.Arbitrary<Attempt> = fc.record({
  to: fc.constantFrom(...AGENTS),
  roles: rolesOfAgents,
  entries: fc.array(fc.record({ from: fc.nat(9), change }), { minLength: 1, maxLength: 3 }),
  mayDelegate: rarely(true, false),
  maxDepth: fc.oneof(
    { weight: 15, arbitrary: fc.constant(undefined) },
    fc.integer({ min: 1, max: MAX_DEPTH + 1 }),
  ),
});

export const chainPlans: fc.Arbitrary<ChainPlan> = fc.record({
  agents: fc.constantFrom("context", "principal"),
  user: roles,
  root: rolesOfAgents,
  limit: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: grants },
    { weight: 1, arbitrary: fc.constant<Grant>(BROAD) },
  ),
  strict: rarely(false, true),
  attempts: fc.array(attempt, { minLength: 5, maxLength: 9, size: "max" }),
  hops: fc.array(fc.tuple(fc.nat(MAX_DEPTH), fc.nat(10_000)), { minLength: 30, maxLength: 30 }),
});

/** What an attempt asks for, of an agent that has `grant`. */
export function requested({ entries }: Attempt, grant: Grant = BROAD): Grant {
  const base = grant.length > 0 ? grant : BROAD;
  return entries.flatMap(({ from, change }) => {
    const entry = base[from % base.length];
    return entry ? { ...entry, ...change } : [];
  });
}
