import type { Denial } from "../../../core/denial";

/**
 * A denial as the result of a tool that a model reads: JSON of what it may act on, and, where the very same call cannot succeed, a sentence that
 * keeps it from trying.
 */
export function denialForModel({ decision, code, reason, remediation, retryable }: Denial): string {
  const json = JSON.stringify({ decision, code, reason, ...(remediation && { remediation }), retryable });
  return retryable ? json : `${json} Do not retry the same call.`;
}
