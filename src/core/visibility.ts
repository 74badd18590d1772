import { attempt } from "./attempt";
import { auditRecord } from "./recording";
import type { SessionContext } from "./context";
import { within } from "./deadline";
import type { DenyDecision } from "./decision";
import { newEvaluation, type Evaluation } from "./evaluation";
import type { HopSnapshot } from "./hop";
import type { JsonObject } from "./json";
import { resourceAttributes } from "./policy";
import type { PdpPrincipal } from "./principal";
import { Refusal } from "./refusal";
import { refuseRevoked } from "./revocation";
import type { Visibility } from "./visibility-cache";

export type { Visibility } from "./visibility-cache";

/** Things of one kind that are asked about together: the actions of one resource share its attributes. */
export interface LookUp {
  readonly kind: string;
  readonly name: string;
  readonly id: string;
  readonly attr: JsonObject;
  readonly actions: readonly string[];
  /** Ask the query plan to tell `conditional` from `never`. Without it, what is not allowed outright is `never`. */
  readonly plan: boolean;
}

const ORDER: readonly Visibility[] = ["never", "conditional", "always"];
const MAX_PLANS_AT_ONCE = 20;
/** A PDP takes at most 50 actions a resource. */
const MAX_ACTIONS_AT_ONCE = 50;

/** Resolves to a denial when the PDP, the state or the audit cannot be reached, or authority was revoked: nothing is to be shown then. */
export async function lookUp(
  session: SessionContext,
  { kind, name, id, attr, actions, plan }: LookUp,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Visibility> | DenyDecision> {
  const { guard } = session;
  const action = actions.length === 1 ? String(actions[0]) : "*";
  const evaluation = newEvaluation({ kind, name, action }, ["look_up"]);
  return attempt(session, evaluation, signal, async (enter) => {
    enter("identity");
    const checked = await within(guard.timeoutMs, "identity", session.identify());
    evaluation.checked = checked;
    enter("revocation");
    await refuseRevoked(session, checked);

    const cache = session.visibility.of(checked);
    const prefix = `${kind}\n${plan ? "" : id}\n${JSON.stringify(attr)}\n`;
    const result = new Map<string, Visibility>();
    for (const action of actions) {
      const known = cache.get(prefix + action);
      if (known) result.set(action, known);
    }
    const unknown = actions.filter((action) => !result.has(action));
    if (unknown.length === 0) return result;

    enter("counting");
    evaluation.session = await within(guard.timeoutMs, "session state", session.counter.peek());
    const resource = {
      kind,
      id: plan ? `${id}/${evaluation.decisionId}` : id,
      attr: resourceAttributes(guard, attr, evaluation),
    };
    enter("decision");
    const perPrincipal = await Promise.all(
      checked.map(({ principal }) => ask(session, evaluation, principal, resource, unknown, plan, signal)),
    );
    for (const action of unknown) {
      // Authority is an intersection: the least of what each principal may.
      const least = Math.min(...perPrincipal.map((seen) => ORDER.indexOf(seen.get(action) ?? "never")));
      const visibility = ORDER[least] ?? "never";
      result.set(action, visibility);
      cache.set(prefix + action, visibility);
    }
    enter("record");
    const shown = unknown.filter((action) => result.get(action) !== "never").length;
    const record = await auditRecord(session, evaluation, undefined, `shows ${shown} of ${unknown.length}`);
    await within(guard.timeoutMs, "audit", guard.audit.write(record));
    return result;
  });
}

/** What is wrong with the arguments tells what a tool looks like: nothing is told of one that this principal may never use. */
export async function withoutDisclosure(
  session: SessionContext,
  { kind, name, action, attr }: HopSnapshot,
  refusal: Refusal,
): Promise<Refusal> {
  if (attr.tool === undefined) return refusal;
  const { arguments: _arguments, tool: _tool, annotations: _annotations, ...known } = attr;
  const seen = await lookUp(session, { kind, name, id: name, attr: known, actions: [action], plan: true });
  if ("effect" in seen) return new Refusal(seen.denial.code, seen.denial);
  return seen.get(action) === "never" ? new Refusal("policy_denied", { detail: refusal.message }) : refusal;
}

async function ask(
  { guard, annotations }: SessionContext,
  evaluation: Evaluation,
  principal: PdpPrincipal,
  resource: { readonly kind: string; readonly id: string; readonly attr: JsonObject },
  actions: readonly string[],
  plan: boolean,
  signal: AbortSignal | undefined,
): Promise<Map<string, Visibility>> {
  const options = signal ? { signal } : {};
  const seen = new Map<string, Visibility>();
  const open: string[] = [];
  const portions = Array.from(
    { length: Math.ceil(actions.length / MAX_ACTIONS_AT_ONCE) },
    async (_, index) => {
      const portion = actions.slice(index * MAX_ACTIONS_AT_ONCE, (index + 1) * MAX_ACTIONS_AT_ONCE);
      // An id of its own for each portion, so that all of them can stand in one request.
      const id = index === 0 ? resource.id : `${resource.id}/${index}`;
      const query = { principal, resource: { ...resource, id }, actions: portion, annotations };
      const answer = await guard.pdp.check(query, options);
      evaluation.answers = [...evaluation.answers, answer];
      for (const action of portion) {
        if (answer.effects.get(action) === "allow") seen.set(action, "always");
        else if (plan) open.push(action);
      }
    },
  );
  await Promise.all(portions);
  const workers = Array.from({ length: Math.min(MAX_PLANS_AT_ONCE, open.length) }, async () => {
    for (let action = open.pop(); action !== undefined; action = open.pop()) {
      seen.set(
        action,
        await guard.pdp.plan({ principal, resource, actions: [action], annotations }, options),
      );
    }
  });
  await Promise.all(workers);
  return seen;
}
