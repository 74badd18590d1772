/** The part of Cerbos' API that decisions need, as its JSON is. */

/** `POST /api/check/resources`. */
export interface Asked {
  readonly requestId: string;
  readonly principal: {
    readonly id: string;
    readonly roles: readonly string[];
    readonly attr: Readonly<Record<string, unknown>>;
  };
  readonly resources: readonly {
    readonly actions: readonly string[];
    readonly resource: {
      readonly kind: string;
      readonly id: string;
      readonly attr: Readonly<Record<string, unknown>>;
      readonly policyVersion?: string;
      readonly scope?: string;
    };
  }[];
  readonly requestContext?: { readonly annotations?: Readonly<Record<string, string>> };
}

/** `POST /api/plan/resources`. */
export interface AskedPlan {
  readonly requestId: string;
  readonly principal: Asked["principal"];
  readonly resource: { readonly kind: string };
  readonly action: string;
}

export type Effects = Record<string, unknown>;

export interface Result {
  resource: Record<string, unknown>;
  actions: Effects;
  [member: string]: unknown;
}

export interface Answer {
  requestId: string;
  results: Result[];
  [member: string]: unknown;
}

/** A sound answer, with the effects that are given. */
export function answerTo(
  asked: Asked,
  effect: (check: Asked["resources"][number], action: string) => "allow" | "deny",
): Answer {
  return {
    requestId: asked.requestId,
    cerbosCallId: "01HHENANTHFD6R6QBZ5Z3ZK7Q8",
    results: asked.resources.map((check) => ({
      resource: {
        kind: check.resource.kind,
        id: check.resource.id,
        ...(check.resource.policyVersion !== undefined && { policyVersion: check.resource.policyVersion }),
        ...(check.resource.scope !== undefined && { scope: check.resource.scope }),
      },
      actions: Object.fromEntries(
        check.actions.map((action) => [
          action,
          effect(check, action) === "allow" ? "EFFECT_ALLOW" : "EFFECT_DENY",
        ]),
      ),
    })),
  };
}

/** The names by which `@cerbos/core` calls the members of the API's JSON; everything else stays as it is. */
export function asClientAnswer(answer: unknown): unknown {
  if (typeof answer !== "object" || answer === null) return answer;
  const { results, ...rest } = answer as Partial<Answer>;
  if (!Array.isArray(results)) return answer;
  return {
    ...rest,
    results: results.map((result: unknown) => {
      if (typeof result !== "object" || result === null) return result;
      const { meta, outputs, ...members } = result as Partial<Result>;
      return {
        ...members,
        metadata: meta,
        outputs: Array.isArray(outputs)
          ? (outputs as readonly { src: unknown; action: unknown; val: unknown }[]).map(
              ({ src, action, val }) => ({ source: src, action, value: val }),
            )
          : [],
      };
    }),
  };
}
