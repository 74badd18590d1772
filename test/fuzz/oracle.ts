import { isDeepStrictEqual } from "node:util";
import { UNANSWERED } from "./circumstance-kinds";
import { Ledger, type Saying } from "./ledger";
import { classesOf, type HopName } from "./obstacles";
import { Violation } from "./violation";
import {
  ADMITTED,
  ASSUMED_OUTPUT_TOKENS,
  DEMOTED,
  POLICY_VERSION,
  scopeOf,
  type Actor,
  type World,
} from "./world";

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
    isAbout(world, need, saying) &&
    attributesFit(world, arrival, need, saying);
  const said = world.ledger.sayings.filter(isSaid);
  const lets = said.filter(
    ({ effect }) => effect === "allow" || (effect === "silence" && isAdmitted(world, need)),
  );
  const ofSubject = lets.filter((saying) => isSubject(world, actor, isChanged, saying));
  const isAlone = world.circumstances.agents === "context";
  const asAgent = (subject: Saying): Saying | undefined =>
    lets.find((saying) => isAgent(world, actor, saying) && isSameQuestion(saying.resource, subject.resource));
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

function contentOf({ attr, content }: Need): string | undefined {
  return content ?? (attr.arguments === undefined ? undefined : JSON.stringify(attr.arguments));
}

function isAbout(
  { circumstances }: World,
  { kind, name, id, action }: Need,
  { resource, action: asked, principal }: Saying,
): boolean {
  const isSelected = resource.policyVersion === POLICY_VERSION && resource.scope === scopeOf(principal.id);
  const isTheOne = id !== undefined ? resource.id === id : resource.id.startsWith(`${name}/`);
  const { environment } = resource.attr.context as { readonly environment?: string };
  return (
    isSelected &&
    isTheOne &&
    resource.kind === kind &&
    asked === action &&
    environment === circumstances.environment
  );
}

function attributesFit({ obstacles }: World, { actor }: Arrival, need: Need, { resource }: Saying): boolean {
  const { facts, context, ...given } = resource.attr as {
    readonly request?: Readonly<Record<string, unknown>>;
    readonly facts?: unknown;
    readonly context?: { readonly session?: { readonly id?: unknown }; readonly data?: unknown };
  };
  const content = contentOf(need);
  return (
    isDeepStrictEqual(facts, obstacles.factsOf(need)) &&
    context?.session?.id === actor.session.id &&
    (content === undefined || isDeepStrictEqual(context.data, classesOf(content))) &&
    (!need.isWhole || isDeepStrictEqual(given, need.attr)) &&
    holds(resource.attr, need.attr) &&
    holds(given.request ?? {}, need.request ?? {})
  );
}

function holds(
  given: Readonly<Record<string, unknown>>,
  members: Readonly<Record<string, unknown>>,
): boolean {
  return Object.entries(members).every(([name, value]) => isDeepStrictEqual(given[name], value));
}

/** Of one hop, everybody is asked about the same resource, at the same count. */
function isSameQuestion(one: Saying["resource"], other: Saying["resource"]): boolean {
  return one.id === other.id && isDeepStrictEqual(one.attr, other.attr);
}

/** What only the guard may say of a principal, and what a provider adds. */
interface Said {
  readonly type?: unknown;
  readonly clearance?: unknown;
  readonly agent?: { readonly id?: unknown };
  readonly task?: { readonly id?: unknown };
  readonly subject?: { readonly id?: unknown; readonly attr?: { readonly clearance?: unknown } };
}

function isSubject(
  { obstacles }: World,
  { principal, agent, task }: Actor,
  isChanged: boolean,
  { principal: { id, roles, attr } }: Saying,
): boolean {
  const isInRole = isDeepStrictEqual(roles, isChanged ? DEMOTED : principal.roles);
  const isEarly = !isChanged && isDeepStrictEqual(roles, DEMOTED);
  const said: Said = attr;
  return (
    id === principal.id &&
    (isInRole || isEarly) &&
    said.type === "user" &&
    said.agent?.id === agent.id &&
    said.task?.id === task &&
    said.clearance === obstacles.clearanceOf(principal.id)
  );
}

function isAgent(
  { obstacles }: World,
  { principal, agent }: Actor,
  { principal: { id, roles, attr } }: Saying,
): boolean {
  const { subject }: Said = attr;
  return (
    id === agent.id &&
    isDeepStrictEqual(roles, [...agent.roles, "agent"]) &&
    subject?.id === principal.id &&
    subject.attr?.clearance === obstacles.clearanceOf(principal.id)
  );
}
