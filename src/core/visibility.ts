import { attempt } from "./attempt";
import type { SessionContext } from "./context";
import { within } from "./deadline";
import type { DenyDecision } from "./decision";
import type { Denial } from "./denial";
import { canonicalJson } from "./digest";
import { aboutPrincipals, enrich } from "./enrichment";
import { newEvaluation, type Evaluation } from "./evaluation";
import { reachOf } from "./granted";
import type { HopSnapshot } from "./hop";
import type { JsonObject } from "./json";
import { resourceAttributes } from "./policy";
import type { CheckedPrincipal, PdpPrincipal } from "./principal";
import { auditRecord } from "./recording";
import { Refusal } from "./refusal";
import { refuseRevoked } from "./revocation";
import { least, type Visibility } from "./visibility-cache";

/** Things that are asked about as the actions of one resource, because they share its attributes. */
export interface Question {
  readonly kind: string;
  readonly id: string;
  readonly attr: JsonObject;
  readonly actions: readonly string[];
  /** Ask the query plan to tell `conditional` from `never`. Without it, what is not allowed outright is `never`. */
  readonly plan: boolean;
}

/** The answer for each action of a question. */
export type Answer = Map<string, Visibility>;

const MAX_PLANS_AT_ONCE = 20;
/** A PDP takes at most 50 actions a resource. */
const MAX_ACTIONS_AT_ONCE = 50;

/**
 * Answers the questions in their order, on one record. Resolves to a denial when the PDP, the state or the audit cannot be reached, or
 * authority was revoked: nothing is to be shown then.
 */
export async function lookUp(
  session: SessionContext,
  label: Denial["hop"],
  questions: readonly Question[],
  signal?: AbortSignal,
): Promise<readonly Answer[] | DenyDecision> {
  const { guard } = session;
  const evaluation = newEvaluation(label, ["look_up"]);
  return attempt<readonly Answer[] | DenyDecision>(session, evaluation, signal, async (enter) => {
    enter("identity");
    const identified = await within(guard.timeoutMs, "identity", session.identify());
    const proven = (evaluation.checked = identified.checked);
    evaluation.auxData = identified.auxData;
    enter("revocation");
    await refuseRevoked(session, identified);

    const cache = session.visibility.of(identified);
    const prefixes = questions.map(cachePrefix);
    const answers = questions.map(({ actions }, index): Answer => {
      const known = actions.map((action) => [action, cache.get(`${prefixes[index]}${action}`)] as const);
      return new Map(known.filter((entry): entry is [string, Visibility] => entry[1] !== undefined));
    });
    const open = questions.map((question, index) => {
      return { ...question, actions: question.actions.filter((action) => !answers[index]?.has(action)) };
    });
    const asked = open.flatMap(({ actions }) => actions).length;
    if (asked === 0) return answers;

    enter("enrichment");
    const about = { ...label, id: label.name, attr: {} };
    const added = await enrich(
      session,
      evaluation,
      about,
      proven[0].principal,
      signal,
      aboutPrincipals(guard.enrich),
    );
    const checked = (evaluation.checked = session.enriched.of(proven, added));
    enter("counting");
    evaluation.standing = await within(guard.timeoutMs, "session state", session.counter.peek([]));
    enter("decision");
    const found = await Promise.all(
      open.map((question, index) => ask(session, evaluation, checked, question, index, signal)),
    );
    enter("record");
    let shown = 0;
    found.forEach((answer, index) => {
      const question = questions[index];
      for (const [action, allowed] of answer) {
        const reached = question ? reachOf(guard, identified, question, action) : "never";
        const visibility = least([allowed, reached]);
        if (visibility !== "never") shown++;
        answers[index]?.set(action, visibility);
        cache.set(`${prefixes[index]}${action}`, visibility);
      }
    });
    const record = await auditRecord(session, evaluation, undefined, `shows ${shown} of ${asked}`);
    await within(guard.timeoutMs, "audit", guard.audit.write(record));
    return answers;
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
  const question = { kind, id: name, attr: known, actions: [action], plan: true };
  const seen = await lookUp(session, { kind, name, action }, [question]);
  if ("effect" in seen) return new Refusal(seen.denial.code, seen.denial);
  const isHidden = seen[0]?.get(action) === "never";
  return isHidden ? new Refusal("policy_denied", { detail: refusal.message }) : refusal;
}

/** Models are told apart by their id; the id of anything else is made for the question. */
function cachePrefix({ kind, id, attr, plan }: Question): string {
  return canonicalJson([kind, plan ? "" : id, attr]);
}

/** Authority is an intersection: the least of what each principal may. */
async function ask(
  session: SessionContext,
  evaluation: Evaluation,
  checked: readonly CheckedPrincipal[],
  { kind, id, attr, actions, plan }: Question,
  index: number,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const resource = {
    kind,
    // Of its own for each question, so that all of them can stand in one request.
    id: plan ? `${id}/${evaluation.decisionId}/${index}` : id,
    attr: resourceAttributes(session.guard, attr, evaluation),
  };
  const perPrincipal = await Promise.all(
    checked.map(({ principal }) => askFor(session, evaluation, principal, resource, actions, plan, signal)),
  );
  return new Map(
    actions.map((action) => [action, least(perPrincipal.map((seen) => seen.get(action) ?? "never"))]),
  );
}

async function askFor(
  { guard, annotations }: SessionContext,
  evaluation: Evaluation,
  principal: PdpPrincipal,
  resource: { readonly kind: string; readonly id: string; readonly attr: JsonObject },
  actions: readonly string[],
  plan: boolean,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const options = signal ? { signal } : {};
  const shared = { principal, annotations, ...(evaluation.auxData && { auxData: evaluation.auxData }) };
  const seen: Answer = new Map();
  const open: string[] = [];
  const portions = Array.from(
    { length: Math.ceil(actions.length / MAX_ACTIONS_AT_ONCE) },
    async (_, index) => {
      const portion = actions.slice(index * MAX_ACTIONS_AT_ONCE, (index + 1) * MAX_ACTIONS_AT_ONCE);
      const id = index === 0 ? resource.id : `${resource.id}/${index}`;
      const query = { ...shared, resource: { ...resource, id }, actions: portion };
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
      const query = { ...shared, resource, actions: [action] };
      seen.set(action, await guard.pdp.plan(query, options));
    }
  });
  await Promise.all(workers);
  return seen;
}
