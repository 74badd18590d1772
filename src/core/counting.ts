import type { SessionContext } from "./context";
import { within } from "./deadline";
import type { AllowDecision, SettledOutcome } from "./decision";
import type { Evaluation } from "./evaluation";
import type { HopSnapshot } from "./hop";
import type { Identified } from "./identification";
import type { HopStanding, MaybePromise, Usage } from "./ports";
import { authorityOf, refuse } from "./revocation";
import { accountsOf, difference, isSaid, NO_USAGE, priced, reservation, type TokenUsage } from "./usage";

/**
 * Counts an attempt and reserves what it may use up, in one step with the reading of revocations.
 *
 * @throws {Refusal} `revoked`.
 */
export async function begin(
  session: SessionContext,
  evaluation: Evaluation,
  identified: Identified,
  hop: HopSnapshot,
): Promise<void> {
  const { guard, counter } = session;
  const { action } = hop;
  const accounts = accountsFor(session, identified);
  const reserve = reservation(guard, hop, evaluation.modelFacts);
  const authority = authorityOf(session, identified);
  const begun = counter.begin({ action, authority, reserve, accounts });
  let standing: HopStanding;
  try {
    standing = await within(guard.timeoutMs, "session state", begun);
  } catch (error) {
    void takeBack(session, begun, { accounts, reserved: reserve, label: hop });
    throw error;
  }
  refuse(standing.revocation);
  Object.assign(evaluation, { standing, accounts, reserved: reserve });
}

/** What a store has counted too late for the hop to go on is counted all the same. */
async function takeBack(
  session: SessionContext,
  begun: MaybePromise<HopStanding>,
  counted: Parameters<typeof settleDenied>[1],
): Promise<void> {
  try {
    const { revocation } = await begun;
    if (!revocation) await settleDenied(session, counted);
  } catch {
    // Whether it was counted nobody knows then: it stays so.
  }
}

/** The counts as they would be if this hop were taken: nothing is counted by asking. */
export async function foresee(
  session: SessionContext,
  evaluation: Evaluation,
  identified: Identified,
  hop: HopSnapshot,
): Promise<void> {
  const { action } = hop;
  const { accounts, standing } = await peek(session, identified);
  const { session: facts, usage } = standing;
  const reserve = reservation(session.guard, hop, evaluation.modelFacts);
  // Actions may be named like what every object inherits.
  const before = Object.hasOwn(facts.attempts, action) ? (facts.attempts[action] ?? 0) : 0;
  const foreseen: HopStanding = {
    session: { ...facts, steps: facts.steps + 1, attempts: { ...facts.attempts, [action]: before + 1 } },
    usage: usage.map((sum) => difference(sum, difference(NO_USAGE, reserve))),
  };
  Object.assign(evaluation, { standing: foreseen, accounts });
}

/** The counts as they stand, for a hop that is among them already. */
export async function reread(
  session: SessionContext,
  evaluation: Evaluation,
  identified: Identified,
): Promise<void> {
  Object.assign(evaluation, await peek(session, identified));
}

async function peek(session: SessionContext, identified: Identified) {
  const accounts = accountsFor(session, identified);
  const standing = await within(session.guard.timeoutMs, "session state", session.counter.peek(accounts));
  return { accounts, standing };
}

/** Counts that the hop was denied, and gives back what it had reserved. */
export async function settleDenied(
  { guard, counter }: SessionContext,
  { accounts, reserved, label }: Pick<Evaluation, "accounts" | "reserved" | "label">,
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
): AllowDecision["settle"] {
  let isSettled = reserved === undefined;
  return (outcome, usage) => {
    if (isSettled || reserved === undefined) return;
    isSettled = true;
    const correction = difference(used(outcome, usage, reserved), reserved);
    // Off the path of the call. What cannot be settled stays reserved, and is no call that policies could build on.
    const settle = async (): Promise<void> =>
      counter.settle({ action, outcome: outcome === "done" ? "done" : "failed", correction, accounts });
    settle().catch(() => undefined);
  };

  function used(outcome: SettledOutcome, usage: TokenUsage | undefined, reserved: Usage): Usage {
    if (usage && isSaid(usage)) return priced(usage, modelFacts);
    return outcome === "failed" ? NO_USAGE : reserved;
  }
}

function accountsFor({ guard, id, agent, task }: SessionContext, { checked: [subject] }: Identified) {
  if (!guard.usage) return [];
  const ids = { session: id, task: task?.id, principal: subject.principal.id, agent: agent.id };
  return accountsOf(guard.usage, ids, guard.clock().getTime());
}
