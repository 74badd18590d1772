import { isDeepStrictEqual } from "node:util";
import type { Saying } from "./ledger";
import type { HopName } from "./obstacles";
import { Violation } from "./violation";
import { DEMOTED, POLICY_VERSION, scopeOf, type Actor, type World } from "./world";

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
}

/**
 * Upstream is reached only if the PDP said EFFECT_ALLOW for exactly this, after the request began, for everybody who must be allowed, nobody objected
 * and it was recorded. Of this, nothing is taken from hopguard. One ALLOW lets one hop pass.
 *
 * @throws {Violation}
 */
export function demand(world: World, arrival: Arrival, need: Need): void {
  const { actor, began, at } = arrival;
  const objection = world.obstacles.objectionTo(need);
  if (objection !== undefined) throw new Violation(`Upstream was reached in spite of ${objection}:`, need);
  const { identity } = world.circumstances;
  const isChanged = identity !== undefined && identity.until < began;
  if (isChanged && identity.then === "rejects")
    throw new Violation("Upstream was reached with a token that proves nothing any more:", need);

  const isSaid = (saying: Saying): boolean =>
    !saying.spent &&
    saying.effect === "allow" &&
    saying.at > began &&
    saying.at < at &&
    saying.session === actor.session.id &&
    isAbout(world, need, saying) &&
    attributesFit(world, arrival, need, saying);
  const said = world.ledger.sayings.filter(isSaid);
  const ofSubject = said.filter(({ principal }) => isSubject(actor, isChanged, principal));
  const isAlone = world.circumstances.agents === "context";
  const asAgent = (subject: Saying): Saying | undefined =>
    said.find(({ principal, resource }) => isAgent(actor, principal) && resource.id === subject.resource.id);
  const asSubject = ofSubject.find((saying) => isAlone || asAgent(saying) !== undefined);
  if (!asSubject) {
    const missing = ofSubject.length > 0 ? actor.agent : actor.principal;
    const near = world.ledger.sayings.filter(({ action }) => action === need.action);
    throw new Violation(
      `Upstream was reached at ${at}, in a request that began at ${began}, without an ALLOW for`,
      missing,
      need,
      near,
    );
  }
  for (const saying of [asAgent(asSubject), asSubject]) if (saying) saying.spent = true;
  const decisionId = need.id === undefined ? asSubject.resource.id.split("/")[1] : undefined;
  const isRecorded = world.ledger.records.some(
    ({ effect, hop, flags, session, subject, at: recordedAt, decision_id }) =>
      effect === "allow" &&
      !flags.includes("look_up") &&
      session === actor.session.id &&
      subject.id === actor.principal.id &&
      isDeepStrictEqual([hop.kind, hop.name, hop.action], [need.kind, need.name, need.action]) &&
      (decisionId === undefined || decisionId === decision_id) &&
      recordedAt > began &&
      recordedAt < at,
  );
  if (!isRecorded) throw new Violation("Upstream was reached before it was recorded:", need);
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

function attributesFit(world: World, { actor }: Arrival, need: Need, { resource }: Saying): boolean {
  const { facts, context, request } = resource.attr as {
    readonly request?: Readonly<Record<string, unknown>>;
    readonly facts?: unknown;
    readonly context?: { readonly session?: { readonly id?: unknown } };
  };
  return (
    isDeepStrictEqual(facts, world.obstacles.factsOf(need)) &&
    context?.session?.id === actor.session.id &&
    Object.entries(need.attr).every(([name, value]) => isDeepStrictEqual(resource.attr[name], value)) &&
    Object.entries(need.request ?? {}).every(([name, value]) => isDeepStrictEqual(request?.[name], value))
  );
}

function isSubject(
  { principal, agent }: Actor,
  isChanged: boolean,
  { id, roles, attr }: Saying["principal"],
): boolean {
  const isInRole = isDeepStrictEqual(roles, isChanged ? DEMOTED : principal.roles);
  const isEarly = !isChanged && isDeepStrictEqual(roles, DEMOTED);
  return id === principal.id && (isInRole || isEarly) && (attr.agent as { id?: unknown }).id === agent.id;
}

function isAgent({ principal, agent }: Actor, { id, roles, attr }: Saying["principal"]): boolean {
  return (
    id === agent.id &&
    isDeepStrictEqual(roles, [...agent.roles, "agent"]) &&
    (attr.subject as { id?: unknown } | undefined)?.id === principal.id
  );
}

/**
 * What is shown is what the principal may use in some case: the PDP allowed it outright, or its query plan did not rule it out.
 *
 * @throws {Violation}
 */
export function demandShown(
  world: World,
  { actor, at }: Pick<Arrival, "actor" | "at">,
  { kind, action, id }: { readonly kind: string; readonly action: string; readonly id?: string },
): void {
  const { ledger, circumstances } = world;
  const principals = [actor.principal.id, ...(circumstances.agents === "principal" ? [actor.agent.id] : [])];
  const hidden = principals.find((who) => {
    const isAllowed = ledger.sayings.some(
      (saying) =>
        saying.at < at &&
        saying.effect === "allow" &&
        saying.session === actor.session.id &&
        saying.principal.id === who &&
        saying.resource.kind === kind &&
        saying.action === action &&
        (id === undefined || saying.resource.id === id),
    );
    const isPlanned = ledger.plans.some(
      (plan) =>
        plan.principal.id === who &&
        plan.kind === kind &&
        plan.action === action &&
        plan.visibility !== "never",
    );
    return !isAllowed && !isPlanned;
  });
  if (hidden !== undefined)
    throw new Violation(`${hidden} was shown what no answer allows in any case:`, { kind, action, id });
}
