import { attempt } from "./attempt";
import { auditRecord } from "./recording";
import type { CheckOptions, SessionContext } from "./context";
import { within } from "./deadline";
import type { Decision } from "./decision";
import { enrich } from "./enrichment";
import { newEvaluation } from "./evaluation";
import { applyGuardrails } from "./guardrails";
import { describeHop, readHop, snapshotHop, withValidArguments, type Hop } from "./hop";
import { digestJson } from "./digest";
import { askPdp } from "./policy";
import { Refusal } from "./refusal";
import { refuseRevoked } from "./revocation";
import { withoutDisclosure } from "./visibility";

/** Decides one hop: the whole of hopguard, from top to bottom. Never rejects; what goes wrong is a denial. */
export async function decide(session: SessionContext, given: Hop, options: CheckOptions): Promise<Decision> {
  const { guard } = session;
  const { signal } = options;
  const evaluation = newEvaluation({ kind: "unknown", name: "unknown", action: "unknown" });

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

    enter("arguments");
    evaluation.hop = taken;
    const validation = withValidArguments(taken, options.schema, guard.limits);
    const hop = await within(guard.timeoutMs, "argument schema", validation);
    if (hop instanceof Refusal) throw await withoutDisclosure(session, taken, hop);
    evaluation.hop = hop;
    if (hop.attr.arguments !== undefined) evaluation.digest = digestJson(hop.attr.arguments);

    enter("enrichment");
    await enrich(guard, evaluation, hop, checked[0].principal, signal);

    enter("guardrails");
    await applyGuardrails(guard, evaluation, hop, checked[0].principal, signal);

    enter("counting");
    evaluation.session = await within(guard.timeoutMs, "session state", session.counter.begin(hop.action));

    enter("decision");
    await askPdp(session, evaluation, hop, checked, signal);

    // The answer took its time; authority may have been withdrawn meanwhile.
    enter("revocation");
    await refuseRevoked(session, checked);

    enter("record");
    await within(guard.timeoutMs, "audit", guard.audit.write(await auditRecord(session, evaluation)));

    enter("counting");
    await within(guard.timeoutMs, "session state", session.counter.settle(hop.action, "allow"));
    signal?.throwIfAborted();
    return Object.freeze({ effect: "allow", decisionId: evaluation.decisionId, hop });
  });
}
