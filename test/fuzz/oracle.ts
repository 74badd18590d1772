import { isDeepStrictEqual } from "node:util";
import { UNANSWERED } from "./circumstance-kinds";
import { Ledger, type Saying } from "./ledger";
import type { HopName } from "./obstacles";
import { contentOf, isAbout, isOfAgent, isOfSubject, isSameQuestion } from "./sayings";
import { Violation } from "./violation";
import { ADMITTED, ASSUMED_OUTPUT_TOKENS, type Actor, type World } from "./world";

const PROBE = "hopguard_probe";

/** Something that reached upstream, or the client. */
export interface Arrival {
  readonly actor: Actor;
  /** When the request that it belongs to began. */
  readonly began: number;
  readonly at: number;
}

/** What came upstream, as the hop that somebody must have allowed. */
export interface Need extends HopName {
  /** `R.id`, where it is not made for each decision. */
  readonly id?: string;
  /** The members of `R.attr` that came upstream; `undefined` for one that must not be there. */
  readonly attr: Readonly<Record<string, unknown>>;
  /** The same for the members of `R.attr.request`. */
  readonly request?: Readonly<Record<string, unknown>>;
  /** What it says, for classifiers, if that is not its arguments and came upstream as it was given. */
  readonly content?: string;
  /** Nothing else may have been said of it. */
  readonly isWhole?: boolean;
  /** It was only shown, or asked after: that takes a look-up, and is no call that counts. */
  readonly isLookUp?: boolean;
}

/**
 * Upstream is reached only if the PDP said EFFECT_ALLOW for exactly this, after the request began, for everybody who must be allowed, nobody objected
 * and it was recorded; or if the PDP was silent, and the hop is one that may pass then. Of this, nothing is taken from hopguard. One ALLOW lets one hop
 * pass.
 *
 * @throws {Violation}
 */
export function demand(world: World, arrival: Arrival, need: Need): void {
  const { actor, began, at } = arrival;
  const objection = world.obstacles.objectionTo(need, contentOf(need));
  if (objection !== undefined) throw new Violation(`Upstream was reached in spite of ${objection}:`, need);
  const { identity } = world.circumstances;
  const isChanged = identity !== undefined && identity.until < began;
  if (isChanged && identity.then === "rejects")
    throw new Violation("Upstream was reached with a token that proves nothing any more:", need);

  const isSaid = (saying: Saying): boolean =>
    !saying.spent &&
    saying.at > began &&
    saying.at < at &&
    saying.session === actor.session.id &&
    isAbout(world, actor, need, saying);
  const said = world.ledger.sayings.filter(isSaid);
  const lets = said.filter(
    ({ effect }) => effect === "allow" || (effect === "silence" && isAdmitted(world, need)),
  );
  const ofSubject = lets.filter((saying) => isOfSubject(world, actor, isChanged, saying));
  const isAlone = world.circumstances.agents === "context";
  const asAgent = (subject: Saying): Saying | undefined =>
    lets.find(
      (saying) => isOfAgent(world, actor, saying) && isSameQuestion(saying.resource, subject.resource),
    );
  const ofAll = ofSubject.filter((saying) => isAlone || asAgent(saying) !== undefined);
  if (ofAll.length === 0) {
    const missing = ofSubject.length > 0 ? actor.agent : actor.principal;
    const near = world.ledger.sayings.filter(({ action }) => action === need.action);
    throw new Violation(
      `Upstream was reached at ${at}, in a request that began at ${began}, without an ALLOW for`,
      missing,
      need,
      near,
    );
  }
  const isSilent = (saying: Saying): boolean =>
    saying.effect === "silence" || (!isAlone && asAgent(saying)?.effect === "silence");
  const recorded = ofAll.find((saying) => isRecorded(world, arrival, need, saying, isSilent(saying)));
  if (!recorded) throw new Violation("Upstream was reached before it was recorded:", need);
  if (isSilent(recorded) && !isProbed(world, arrival))
    throw new Violation("Upstream was reached without an answer, while the PDP answered others:", need);
  if (isSilent(recorded)) world.coverage.count(UNANSWERED, "reached");
  else spend(world, actor, need);
  for (const saying of [asAgent(recorded), recorded]) if (saying) saying.spent = true;
}

/** Arguments over which the PDP stumbles are no outage: it was silent to a question, too, that the agent has no part in. */
function isProbed({ ledger }: World, { actor, began, at }: Arrival): boolean {
  return ledger.sayings.some(
    (saying) =>
      saying.resource.kind === PROBE &&
      saying.effect === "silence" &&
      saying.principal.id === actor.principal.id &&
      saying.at > began &&
      saying.at < at,
  );
}

/** Without an answer, the record says so. A look-up is no permission. */
function isRecorded(
  { ledger }: World,
  { actor, began, at }: Arrival,
  need: Need,
  { resource }: Saying,
  isSilent: boolean,
): boolean {
  // Where the id is made for the decision, the record is of the very decision that was said.
  const decisionId = need.id === undefined ? resource.id.split("/")[1] : undefined;
  return ledger.records.some(
    ({ effect, hop, flags, session, subject, at: recordedAt, decision_id }) =>
      effect === "allow" &&
      flags.includes("look_up") === (need.isLookUp ?? false) &&
      (!isSilent || flags.includes("degraded")) &&
      session === actor.session.id &&
      subject.id === actor.principal.id &&
      isDeepStrictEqual([hop.kind, hop.name, hop.action], [need.kind, need.name, need.action]) &&
      (decisionId === undefined || decisionId === decision_id) &&
      recordedAt > began &&
      recordedAt < at,
  );
}

/**
 * What has come upstream is never more than the policy lets a task use up, however much was under way at once. Of an alias and what it stands for,
 * one counts.
 */
function spend({ circumstances, ledger }: World, { task }: Actor, need: Need): void {
  const { budget } = circumstances;
  if (!budget || need.isLookUp || (need.id !== undefined && need.id !== need.name)) return;
  const { request = {} } = need;
  const tokens = "max_tokens" in request ? ((request.max_tokens ?? ASSUMED_OUTPUT_TOKENS) as number) : 0;
  const amount = budget.of === "calls" ? 1 : tokens;
  if (Ledger.add(ledger.spent, task, amount) > budget.limit)
    throw new Violation(`More came upstream than the ${budget.of} that a task may use up:`, budget, need);
}

function isAdmitted({ circumstances }: World, { kind, action }: Need): boolean {
  return (
    circumstances.outage !== undefined &&
    ADMITTED.some((hop) => hop.kind === kind && (hop.actions?.includes(action) ?? true))
  );
}
