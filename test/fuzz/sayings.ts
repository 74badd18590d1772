import { isDeepStrictEqual } from "node:util";
import type { Saying } from "./ledger";
import { classesOf } from "./obstacles";
import type { Need } from "./oracle";
import { DEMOTED, POLICY_VERSION, scopeOf, type Actor, type World } from "./world";

/** What classifiers look at. */
export function contentOf({ attr, content }: Need): string | undefined {
  return content ?? (attr.arguments === undefined ? undefined : JSON.stringify(attr.arguments));
}

/** Whether the PDP was told just this, and what belongs to it, in the session of the one who acts. */
export function isAbout(world: World, actor: Actor, need: Need, saying: Saying): boolean {
  return isOfHop(world, need, saying) && attributesFit(world, actor, need, saying);
}

function isOfHop(
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

function attributesFit({ obstacles }: World, actor: Actor, need: Need, { resource }: Saying): boolean {
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
export function isSameQuestion(one: Saying["resource"], other: Saying["resource"]): boolean {
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

/** Whether the subject was asked about: as it is, and with what providers know of it. */
export function isOfSubject(
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

/** The same of the agent, where it must be allowed as well. */
export function isOfAgent(
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
