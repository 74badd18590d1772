import type { SessionContext } from "./context";
import { within } from "./deadline";
import type { Evaluation } from "./evaluation";
import type { HopSnapshot } from "./hop";
import type { Identified } from "./identification";
import type { HopStanding, Usage } from "./ports";
import { authorityOf, refuse } from "./revocation";
import { accountsOf, difference, NO_USAGE, priced, reservation, type TokenUsage } from "./usage";

/**
 * Counts an attempt and reserves what it may use up, in one step with the reading of revocations.
 *
 * @throws {Refusal} `revoked`.
 */
export async function begin(
  session: SessionContext,
  evaluation: Evaluation,
  hop: HopSnapshot,
  identified: Identified,
): Promise<void> {
  const { action } = hop;
  const accounts = accountsFor(session, identified);
  const reserve = reservation(session.guard, hop, evaluation.modelFacts);
  const authority = authorityOf(session, identified);
  const begun = session.counter.begin({ action, authority, reserve, accounts });
  const standing = await within(session.guard.timeoutMs, "session state", begun);
  refuse(standing.revocation);
  Object.assign(evaluation, { standing, accounts, reserved: reserve });
}

/** The counts as they would be if this hop were taken: nothing is counted by asking. */
export async function foresee(
  session: SessionContext,
  evaluation: Evaluation,
  hop: HopSnapshot,
  identified: Identified,
): Promise<void> {
  const { action } = hop;
  const accounts = accountsFor(session, identified);
  const reserve = reservation(session.guard, hop, evaluation.modelFacts);
  const peeked = session.counter.peek(accounts);
  const { session: facts, usage } = await within(session.guard.timeoutMs, "session state", peeked);
  const attempts = { ...facts.attempts, [action]: (facts.attempts[action] ?? 0) + 1 };
  const standing: HopStanding = {
    session: { ...facts, steps: facts.steps + 1, attempts },
    usage: usage.map((sum) => difference(sum, difference(NO_USAGE, reserve))),
  };
  Object.assign(evaluation, { standing, accounts });
}

/** Counts that the hop was denied, and gives back what it had reserved. */
export async function settleDenied(
  { guard, counter }: SessionContext,
  { accounts, reserved, label }: Evaluation,
): Promise<void> {
  // What was never begun, and a look-up, which is no attempt, has no end to be counted.
  if (!reserved) return;
  const correction = difference(NO_USAGE, reserved);
  const settled = counter.settle({ action: label.action, outcome: "denied", correction, accounts });
  await within(guard.timeoutMs, "session state", settled);
}

/** The word that the caller of an allowed hop has on how it went. */
export function settlement(
  { counter }: SessionContext,
  { accounts, reserved, modelFacts }: Evaluation,
  { action }: HopSnapshot,
): (outcome: "done" | "failed", usage?: TokenUsage) => void {
  let isSettled = reserved === undefined;
  return (outcome, usage) => {
    if (isSettled || reserved === undefined) return;
    isSettled = true;
    const correction = difference(used(outcome, usage, reserved), reserved);
    // Off the path of the call. What cannot be settled stays reserved, and is no call that policies could build on.
    const settle = async (): Promise<void> => counter.settle({ action, outcome, correction, accounts });
    settle().catch(() => undefined);
  };

  function used(outcome: "done" | "failed", usage: TokenUsage | undefined, reserved: Usage): Usage {
    if (usage) return priced(usage, modelFacts);
    return outcome === "failed" ? NO_USAGE : reserved;
  }
}

function accountsFor({ guard, id, agent, task }: SessionContext, { checked: [subject] }: Identified) {
  if (!guard.usage) return [];
  const ids = { session: id, task: task?.id, principal: subject.principal.id, agent: agent.id };
  return accountsOf(guard.usage, ids, guard.clock().getTime());
}
