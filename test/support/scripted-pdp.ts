import type { PdpAnswer, PdpQuery, PlanKind, PolicyDecisionPoint } from "hopguard";

export type PdpScript = (query: PdpQuery, signal: AbortSignal | undefined) => PdpAnswer | Promise<PdpAnswer>;

/** A PDP port whose answers are scripted, for failures that no real PDP can be made to have. */
export interface ScriptedPdp extends PolicyDecisionPoint {
  /** What it was asked, in order. */
  readonly queries: readonly PdpQuery[];
}

export function scriptedPdp(
  script: PdpScript = (query) => allowed(query),
  plan: PlanKind = "never",
): ScriptedPdp {
  const queries: PdpQuery[] = [];
  return {
    queries,
    async check(query, { signal } = {}) {
      queries.push(query);
      return script(query, signal);
    },
    plan: () => Promise.resolve(plan),
  };
}

export function allowed(query: PdpQuery, extra: Partial<PdpAnswer> = {}): PdpAnswer {
  return answered(query, "allow", extra);
}

export function denied(query: PdpQuery, extra: Partial<PdpAnswer> = {}): PdpAnswer {
  return answered(query, "deny", extra);
}

function answered({ actions }: PdpQuery, effect: "allow" | "deny", extra: Partial<PdpAnswer>): PdpAnswer {
  return {
    callId: "call-1",
    effects: new Map(actions.map((action) => [action, effect] as const)),
    matchedPolicies: new Map(),
    outputs: [],
    validationErrors: [],
    ...extra,
  };
}
