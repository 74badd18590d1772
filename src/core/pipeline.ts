import { assertion } from "./assertion";
import { attempt } from "./attempt";
import { classify } from "./classification";
import type { DecideOptions, GuardContext, SessionContext } from "./context";
import { begin, foresee, reread, settlement } from "./counting";
import { within } from "./deadline";
import type { Decision } from "./decision";
import { digestJson } from "./digest";
import { enrich } from "./enrichment";
import { newEvaluation, type Evaluation } from "./evaluation";
import { applyGuardrails } from "./guardrails";
import { describeHop, readHop, snapshotHop, withValidArguments, type Hop } from "./hop";
import { refuseBeyondGrants } from "./granted";
import { factsOf } from "./model-facts";
import { askPdp } from "./policy";
import { auditRecord } from "./recording";
import { Refusal } from "./refusal";
import { refuseEnded, refuseRevoked } from "./revocation";
import { withoutDisclosure } from "./visibility";

/** A sink that takes no longer leaves no more time for a revocation than the way from here to the upstream does. */
const AT_ONCE_MS = 25;

/** Decides one hop: the whole of hopguard, from top to bottom. Never rejects; what goes wrong is a denial. */
export async function decide(session: SessionContext, given: Hop, options: DecideOptions): Promise<Decision> {
  const { guard } = session;
  const { signal, lookUp = false, isUnderWay = false, flags = [] } = options;
  const unread = { kind: "unknown", name: "unknown", action: "unknown" };
  const evaluation = newEvaluation(unread, lookUp && flags.length === 0 ? ["look_up"] : flags);

  return attempt<Decision>(session, evaluation, signal, async (enter) => {
    // Until the first `await` this runs within the caller's own call: nothing can change the hop before it is read.
    enter("snapshot");
    const read = readHop(given);
    evaluation.label = describeHop(read);
    // What is refused anyway need not be a hop that any grammar admits.
    const taken = options.refuse
      ? new Refusal(options.refuse.code, options.refuse)
      : snapshotHop(read, evaluation.decisionId, guard.limits);
    if (!(taken instanceof Refusal)) evaluation.hop = taken.hop;

    enter("identity");
    const identified = await within(guard.timeoutMs, "identity", session.identify());
    const proven = (evaluation.checked = identified.checked);
    evaluation.auxData = identified.auxData;

    enter("revocation");
    refuseEnded(session);
    // Where that takes a round trip, it is read with the counting below.
    if (!guard.state.isRemote || taken instanceof Refusal) await refuseRevoked(session, identified);

    if (taken instanceof Refusal) throw taken;
    const { hop: asRead, refusal } = taken;
    if (asRead.kind === "llm_model") nameModel(guard, evaluation, asRead.id, asRead.attr.endpoint);

    enter("arguments");
    const validation = refusal ?? withValidArguments(asRead, options.schema, guard.limits);
    const valid = await within(guard.timeoutMs, "argument schema", validation);
    if (valid instanceof Refusal) throw await withoutDisclosure(session, asRead, valid);
    evaluation.hop = valid;
    if (valid.attr.arguments !== undefined) evaluation.digest = digestJson(valid.attr.arguments);

    enter("delegation");
    const hop = options.withinGrants ? await options.withinGrants(identified, valid) : valid;
    if (!options.withinGrants) refuseBeyondGrants(identified, hop, evaluation);

    enter("enrichment");
    const added = await enrich(session, evaluation, hop, proven[0].principal, signal);
    const checked = (evaluation.checked = session.enriched.of(proven, added));
    await classify(guard, evaluation, hop, options.content, signal);

    enter("guardrails");
    await applyGuardrails(guard, evaluation, hop, checked[0].principal, signal);

    enter("counting");
    const count = isUnderWay ? reread : lookUp ? foresee : begin;
    await count(session, evaluation, identified, hop);

    enter("decision");
    await askPdp(session, evaluation, hop, checked, signal)
      .finally(() => guard.degradation?.heard(evaluation))
      .catch(async (error: unknown) => {
        if (!(await guard.degradation?.admits(error, evaluation, hop, checked[0].principal))) throw error;
        evaluation.flags.push("degraded");
      });

    // The answer took its time; authority may have been withdrawn meanwhile.
    enter("revocation");
    await refuseRevoked(session, identified);

    enter("record");
    const since = performance.now();
    await within(guard.timeoutMs, "audit", guard.audit.write(await auditRecord(session, evaluation)));

    // So may have the sink. What is withdrawn by now has a second record, which says so; a store that is far is asked a third time only after a slow one.
    enter("revocation");
    if (guard.state.isRemote && performance.now() - since < AT_ONCE_MS) refuseEnded(session);
    else await refuseRevoked(session, identified);
    return Object.freeze({
      effect: "allow",
      decisionId: evaluation.decisionId,
      hop,
      ...(evaluation.flags.includes("degraded") && { degraded: true as const }),
      settle: settlement(session, evaluation, hop),
      assertion: assertion(session, evaluation),
    });
  });
}

/** Finds out which model a name stands for, and what the operator knows of it. */
function nameModel(guard: GuardContext, evaluation: Evaluation, id: string, endpoint: unknown): void {
  const names = guard.models.namesOf(id);
  if (!names)
    throw new Refusal("unsupported_hop", {
      reason: "The name of this model is an alias that leads nowhere.",
    });
  evaluation.models = names;
  evaluation.modelFacts = factsOf(guard.modelFacts, names.at(-1) ?? id, endpoint);
}
