import { attempt } from "./attempt";
import { auditRecord } from "./recording";
import type { CheckOptions, GuardContext, SessionContext } from "./context";
import { within } from "./deadline";
import type { Decision } from "./decision";
import { enrich } from "./enrichment";
import { newEvaluation } from "./evaluation";
import { applyGuardrails } from "./guardrails";
import { describeHop, readHop, snapshotHop, withValidArguments, type Hop } from "./hop";
import { digestJson } from "./digest";
import { askPdp } from "./policy";
import type { SessionFacts } from "./ports";
import { Refusal } from "./refusal";
import { refuseRevoked } from "./revocation";
import { withoutDisclosure } from "./visibility";

/** Decides one hop: the whole of hopguard, from top to bottom. Never rejects; what goes wrong is a denial. */
export async function decide(session: SessionContext, given: Hop, options: CheckOptions): Promise<Decision> {
  const { guard } = session;
  const { signal, lookUp = false } = options;
  const unread = { kind: "unknown", name: "unknown", action: "unknown" };
  const evaluation = newEvaluation(unread, lookUp ? ["look_up"] : []);

  return attempt<Decision>(session, evaluation, signal, async (enter) => {
    // Until the first `await` this runs within the caller's own call: nothing can change the hop before it is read.
    enter("snapshot");
    const read = readHop(given);
    evaluation.label = describeHop(read);
    // What is refused anyway need not be a hop that any grammar admits.
    const taken = options.refuse
      ? new Refusal(options.refuse.code, options.refuse)
      : snapshotHop(read, evaluation.decisionId, guard.limits);

    enter("identity");
    const checked = (evaluation.checked = await within(guard.timeoutMs, "identity", session.identify()));

    enter("revocation");
    await refuseRevoked(session, checked);

    if (taken instanceof Refusal) throw taken;
    const { hop: asRead, refusal } = taken;
    if (asRead.kind === "llm_model") evaluation.models = namesOf(guard, asRead.id);

    enter("arguments");
    evaluation.hop = asRead;
    const validation = refusal ?? withValidArguments(asRead, options.schema, guard.limits);
    const hop = await within(guard.timeoutMs, "argument schema", validation);
    if (hop instanceof Refusal) throw await withoutDisclosure(session, asRead, hop);
    evaluation.hop = hop;
    if (hop.attr.arguments !== undefined) evaluation.digest = digestJson(hop.attr.arguments);

    enter("enrichment");
    await enrich(guard, evaluation, hop, checked[0].principal, signal);

    enter("guardrails");
    await applyGuardrails(guard, evaluation, hop, checked[0].principal, signal);

    enter("counting");
    const counted = lookUp ? countedOnce(session, hop.action) : session.counter.begin(hop.action);
    evaluation.session = await within(guard.timeoutMs, "session state", counted);

    enter("decision");
    await askPdp(session, evaluation, hop, checked, signal);

    // The answer took its time; authority may have been withdrawn meanwhile.
    enter("revocation");
    await refuseRevoked(session, checked);

    enter("record");
    await within(guard.timeoutMs, "audit", guard.audit.write(await auditRecord(session, evaluation)));

    enter("counting");
    if (!lookUp) await within(guard.timeoutMs, "session state", session.counter.settle(hop.action, "allow"));
    signal?.throwIfAborted();
    return Object.freeze({ effect: "allow", decisionId: evaluation.decisionId, hop });
  });
}

/** The counts as they would be if this hop were taken: nothing is counted by asking. */
async function countedOnce({ counter }: SessionContext, action: string): Promise<SessionFacts> {
  const facts = await counter.peek();
  const attempts = { ...facts.attempts, [action]: (facts.attempts[action] ?? 0) + 1 };
  return { ...facts, steps: facts.steps + 1, attempts };
}

function namesOf({ models }: GuardContext, id: string): readonly [string, ...string[]] {
  const names = models.namesOf(id);
  if (names) return names;
  throw new Refusal("unsupported_hop", { reason: "The name of this model is an alias that leads nowhere." });
}
