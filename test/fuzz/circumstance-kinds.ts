import { HOOKS, OBSTACLES, WITHDRAWALS, type Circumstances, type Hook, type Obstacle } from "./circumstances";
import type { Expectation } from "./coverage";
import type { Ledger } from "./ledger";
import type { Budget, Withdrawal } from "./scripted-pdp";

const HOOK_NAMES: Readonly<Record<Hook, string>> = {
  guardrail: "a guardrail",
  facts: "a provider of facts",
  optional: "an optional provider",
  standing: "a provider for the principal",
  classifier: "a classifier",
  audit: "an audit sink",
};
const objecting = (hook: Hook, how: Obstacle): string => `under: ${HOOK_NAMES[hook]}, ${how}`;
const withdrawn = (when: "before" | "meanwhile", what: Withdrawal["what"]): string =>
  `under: withdrawn ${when}, ${what}`;
const budgeted = (of: Budget["of"]): string => `under: a budget of ${of}`;
const unsound = (state: Circumstances["state"]): string => `under: ${state}`;
const bound = (tasks: Circumstances["tasks"]): string => `under: tasks ${tasks}`;
const ADMITTING = "under: hops admitted in an outage";
const CANARY = "under: a PDP that allows everything";
const REMOTE = "under: remote state";
/** One that really passed so. */
export const UNANSWERED = "passed while the PDP was silent";

/** What a run was like for one of its sessions. */
export function circumstancesOf(
  circumstances: Circumstances,
  ledger: Ledger,
  session: string,
): readonly string[] {
  const { allowsCanary, budget, isRemote, objecting: hooks, outage, state, tasks } = circumstances;
  const authority = ledger.withdrawn.get(session);
  return [
    ...HOOKS.flatMap((hook) => {
      const objector = hooks[hook];
      return objector ? [objecting(hook, objector.how)] : [];
    }),
    ...(authority ? [withdrawn(authority.when, authority.what)] : []),
    ...(budget ? [budgeted(budget.of)] : []),
    ...(state === "sound" ? [] : [unsound(state)]),
    ...(tasks === "asserted" ? [] : [bound(tasks)]),
    ...(outage ? [ADMITTING] : []),
    ...(allowsCanary ? [CANARY] : []),
    ...(isRemote ? [REMOTE] : []),
  ];
}

const both = (kinds: readonly string[]): readonly (readonly [string, Expectation])[] =>
  kinds.map((kind) => [kind, "both"]);

export const CIRCUMSTANCE_KINDS: Readonly<Record<string, Expectation>> = {
  ...Object.fromEntries(both(HOOKS.flatMap((hook) => OBSTACLES.map((how) => objecting(hook, how))))),
  ...Object.fromEntries(WITHDRAWALS.map((what) => [withdrawn("before", what), "denied"] as const)),
  ...Object.fromEntries(WITHDRAWALS.map((what) => [withdrawn("meanwhile", what), "also denied"] as const)),
  ...Object.fromEntries(
    both([budgeted("calls"), budgeted("tokens"), bound("registered"), ADMITTING, REMOTE]),
  ),
  [bound("not registered")]: "denied",
  [unsound("revocations fail")]: "denied",
  [unsound("counting fails")]: "denied",
  [CANARY]: "denied",
  [UNANSWERED]: "also reached",
};
