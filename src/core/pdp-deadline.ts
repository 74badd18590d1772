import { callWithin } from "./deadline";
import type { PolicyDecisionPoint } from "./ports";

/** A PDP that keeps no deadline of its own is given the guard's: silence is a denial. */
export function withDeadline(pdp: PolicyDecisionPoint, timeoutMs: number): PolicyDecisionPoint {
  if (pdp.timeoutMs !== undefined) return pdp;
  return {
    timeoutMs,
    check: (query, { signal } = {}) =>
      callWithin(timeoutMs, "the PDP", signal, (signal) => pdp.check(query, { signal })),
    plan: (query, { signal } = {}) =>
      callWithin(timeoutMs, "the PDP", signal, (signal) => pdp.plan(query, { signal })),
  };
}
