import type { AuditRecord } from "./audit-record";
import type { SessionContext } from "./context";
import { digestJson } from "./digest";
import type { Denial } from "./denial";
import type { Evaluation } from "./evaluation";
import { cleanText } from "./text";

/** Writes down what is known of an evaluation, however far it came. */
export async function auditRecord(
  session: SessionContext,
  evaluation: Evaluation,
  denial?: Denial,
  given?: string,
): Promise<AuditRecord> {
  const said = [...(given === undefined ? [] : [given]), ...evaluation.notes];
  const detail = said.length > 0 ? cleanText(said.join("; "), 4000) : undefined;
  const { answers } = evaluation;
  const canonical = evaluation.models?.at(-1);
  const { guard, id, agent, links, task } = session;
  const delegation = links.at(-1);
  const subject = (evaluation.checked ?? session.known()?.checked)?.[0].principal;
  const args = evaluation.hop?.attr.arguments;
  // What was refused before it was valid has its digest, too: of what was given.
  const digest = await (evaluation.digest ?? (args === undefined ? undefined : digestJson(args)));
  return Object.freeze({
    time: guard.clock().toISOString(),
    decision_id: evaluation.decisionId,
    effect: denial ? "deny" : "allow",
    ...(denial && { code: denial.code, reason: denial.reason }),
    ...(denial?.remediation && { remediation: denial.remediation }),
    ...(denial?.refused_by !== undefined && { refused_by: denial.refused_by }),
    ...(detail !== undefined && { detail }),
    pdp_call_ids: answers.flatMap(({ callId }) => callId ?? []),
    matched_policies: [...new Set(answers.flatMap(({ matchedPolicies }) => [...matchedPolicies.values()]))],
    ...(guard.policyRevision !== undefined && { policy_revision: guard.policyRevision }),
    hop: {
      ...evaluation.label,
      ...(canonical !== undefined && canonical !== evaluation.label.name && { canonical }),
    },
    subject: { id: subject?.id ?? "unknown", roles: subject?.roles ?? [] },
    agent: {
      id: agent.id,
      roles: agent.roles,
      ...(agent.harness !== undefined && { harness: agent.harness }),
      ...(agent.version !== undefined && { version: agent.version }),
    },
    chain: chainOf(session),
    ...(delegation && { delegation: delegation.id }),
    ...(task && { task: task.id }),
    session: id,
    step: evaluation.standing?.session.steps ?? 0,
    ms: Math.round((performance.now() - evaluation.startedAt) * 1000) / 1000,
    ...(digest !== undefined && { arguments_digest: digest }),
    ...(guard.recordArguments && args !== undefined && { arguments: args }),
    flags: evaluation.flags,
  });
}

/** Agents that the work passed through, the first delegator first. The one that acts is none of them. */
export function chainOf({ root, links }: SessionContext): readonly string[] {
  return [root, ...links.map((link) => link.agent)].slice(0, -1).map(({ id }) => id);
}
