import type { JsonValue, PdpAnswer, PdpQuery, PlanKind, PolicyDecisionPoint } from "../index";

/** Answers for one action, or `undefined` for the next rule. */
export type StubRule = (query: PdpQuery, action: string) => StubAnswer | undefined;

/** `true` allows; an object denies with the output that a policy would give. */
export type StubAnswer = boolean | { readonly reason: string; readonly remediation?: JsonValue };

/** What a stubbed PDP answers. */
export interface StubPdpOptions {
  /** The first rule that answers decides. None: denied. */
  readonly rules?: readonly StubRule[];
  /** What the query plan says of actions that are denied without arguments. Default `"never"`. */
  readonly plan?: (query: PdpQuery, action: string) => PlanKind;
}

/** A policy decision point to script. It denies by default, as a real one does. */
export interface StubPdp extends PolicyDecisionPoint {
  /** What it was asked, oldest first. */
  readonly queries: readonly PdpQuery[];
  /** From now on each check does this instead of answering; `undefined` ends it. To play an outage, silence, or an answer that proves nothing. */
  interrupt(behaviour: ((query: PdpQuery) => Promise<PdpAnswer>) | undefined): void;
}

/** Makes a PDP that answers by functions instead of policies. It proves nothing about policies: those are tested with Cerbos. */
export function stubPdp({ rules = [], plan = () => "never" }: StubPdpOptions = {}): StubPdp {
  const queries: PdpQuery[] = [];
  let interruption: ((query: PdpQuery) => Promise<PdpAnswer>) | undefined;

  return {
    queries,
    interrupt(behaviour) {
      interruption = behaviour;
    },
    async check(query, { signal } = {}) {
      queries.push(query);
      signal?.throwIfAborted();
      if (interruption) return interruption(query);
      return answer(query, rules);
    },
    plan(query) {
      return Promise.resolve(plan(query, query.actions[0] ?? ""));
    },
  };
}

function answer(query: PdpQuery, rules: readonly StubRule[]): PdpAnswer {
  const effects = new Map<string, "allow" | "deny">();
  const outputs: { source: string; action: string; value: unknown }[] = [];
  for (const action of query.actions) {
    const decided = rules.map((rule) => rule(query, action)).find((given) => given !== undefined) ?? false;
    effects.set(action, decided === true ? "allow" : "deny");
    if (typeof decided === "object") outputs.push({ source: "stub", action, value: decided });
  }
  return { effects, outputs, matchedPolicies: new Map(), validationErrors: [] };
}
