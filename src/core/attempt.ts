import { auditRecord } from "./recording";
import type { SessionContext } from "./context";
import { settleDenied } from "./counting";
import { within } from "./deadline";
import type { DenyDecision } from "./decision";
import { newDenial, type DenialCode } from "./denial";
import type { Evaluation } from "./evaluation";
import { PdpError } from "./pdp-error";
import { Refusal } from "./refusal";
import { cleanText } from "./text";

/** The stages, and what an exception in each means. */
const FAILURE_CODES = {
  snapshot: "unsupported_hop",
  identity: "unauthenticated",
  revocation: "state_unavailable",
  arguments: "arguments_invalid",
  delegation: "delegation_invalid",
  enrichment: "enrichment_failed",
  guardrails: "guardrail_denied",
  counting: "state_unavailable",
  decision: "pdp_unavailable",
  record: "audit_failed",
} as const satisfies Record<string, DenialCode>;

export type Stage = keyof typeof FAILURE_CODES;

/**
 * Runs the stages of a decision. Never rejects: whatever goes wrong, in whatever stage, is a denial. This is the one place that catches.
 */
export async function attempt<T>(
  session: SessionContext,
  evaluation: Evaluation,
  signal: AbortSignal | undefined,
  stages: (enter: (stage: Stage) => void) => Promise<T>,
): Promise<T | DenyDecision> {
  let current: Stage = "snapshot";
  try {
    return await stages((next) => {
      signal?.throwIfAborted();
      current = next;
    });
  } catch (error) {
    return deny(session, evaluation, toRefusal(error, current, signal));
  }
}

function toRefusal(error: unknown, stage: Stage, signal: AbortSignal | undefined): Refusal {
  try {
    if (error instanceof Refusal) return error;
    const detail = cleanText(error instanceof Error ? (error.stack ?? error.message) : String(error), 2000);
    if (signal?.aborted) return new Refusal("aborted", { detail });
    if (PdpError.isInstance(error)) return new Refusal(error.reason, { detail });
    return new Refusal(FAILURE_CODES[stage], { detail });
  } catch {
    // What was thrown throws again when it is looked at: a proxy, a getter, an object without a prototype.
    return new Refusal(FAILURE_CODES[stage]);
  }
}

/** With `denials: "hide"`, what is hidden, what does not exist and what has changed are refused in the same words. */
const ALIKE: ReadonlySet<DenialCode> = new Set([
  "policy_denied",
  "delegation_invalid",
  "unsupported_hop",
  "definition_changed",
  "repeat_denied",
]);

function presented(refusal: Refusal, denials: "explain" | "hide"): Pick<Refusal, "code" | "details"> {
  if (denials === "explain" || !ALIKE.has(refusal.code)) return refusal;
  return { code: "policy_denied", details: { detail: `${refusal.code}: ${refusal.message}` } };
}

async function deny(
  session: SessionContext,
  evaluation: Evaluation,
  refusal: Refusal,
): Promise<DenyDecision> {
  const { guard } = session;
  const { code, details } = presented(refusal, guard.denials);
  const denial = newDenial(code, evaluation.label, evaluation.decisionId, details);
  // A denial stands even if it can be neither counted nor recorded: no failure here may become an exception, let alone an allow.
  const record = async (): Promise<void> => {
    const entry = await auditRecord(session, evaluation, denial, details.detail);
    await within(guard.timeoutMs, "audit", guard.audit.write(entry));
  };
  await Promise.allSettled([settleDenied(session, evaluation), record()]);
  return Object.freeze({ effect: "deny", decisionId: evaluation.decisionId, denial });
}
