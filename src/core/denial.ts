import * as z from "zod";
import { cleanText } from "./text";

/** Why a hop was denied, for programs. The sentence is what an agent reads where the policy has no words of its own. */
export const DENIAL_REASONS = {
  policy_denied: "The policy does not allow this.",
  unauthenticated: "The identity behind this call could not be verified.",
  delegation_invalid: "The delegation behind this call is not valid.",
  revoked: "The authority for this call has been withdrawn.",
  arguments_invalid: "The arguments are not what this tool accepts.",
  unsupported_hop: "This kind of call is not known to the guard.",
  definition_changed: "The definition of this tool has changed since it was first seen.",
  enrichment_failed: "A fact that the decision needs could not be established.",
  guardrail_denied: "A guardrail refused this call.",
  pdp_unavailable: "The policy decision point did not answer.",
  pdp_invalid_response: "The policy decision point gave an answer that proves nothing.",
  state_unavailable: "The state that the decision needs could not be read.",
  audit_failed: "The decision could not be recorded.",
  repeat_denied: "This very call was denied before and is not asked again for now.",
  aborted: "The call was aborted before it was decided.",
} as const;

/** The codes of denials: the keys of {@link DENIAL_REASONS}. */
export type DenialCode = keyof typeof DENIAL_REASONS;

/** Codes after which the very same call may succeed later, with nothing changed by the caller. */
const RETRYABLE: ReadonlySet<DenialCode> = new Set([
  "enrichment_failed",
  "pdp_unavailable",
  "state_unavailable",
  "audit_failed",
  "aborted",
]);

/** What would help instead. Open to types of your own; these two have a meaning for adapters and autocomplete. */
export type Remediation =
  | { readonly type: "step_up"; readonly approvers_role: string; readonly [detail: string]: unknown }
  | { readonly type: "use_model"; readonly model: string; readonly [detail: string]: unknown }
  | { readonly type: string & {}; readonly [detail: string]: unknown };

/** The denial as an agent reads it, in JSON: names are the wire's. */
export interface Denial {
  readonly decision: "deny";
  readonly code: DenialCode;
  /** The policy's words, else a fixed sentence for the code. */
  readonly reason: string;
  readonly remediation?: Remediation;
  /** False unless trying the very same call again can help. */
  readonly retryable: boolean;
  readonly hop: {
    readonly kind: string;
    /** The model, server, toolset or agent. */
    readonly name: string;
    readonly action: string;
  };
  /** `"subject"`, or the id of the agent in the chain that was refused. */
  readonly refused_by?: string;
  /** Finds the audit record. */
  readonly decision_id: string;
}

const denialSchema: z.ZodType<Denial> = z.object({
  decision: z.literal("deny"),
  code: z.enum(Object.keys(DENIAL_REASONS) as [DenialCode, ...DenialCode[]]),
  reason: z.string(),
  remediation: z.looseObject({ type: z.string() }).exactOptional(),
  retryable: z.boolean(),
  hop: z.object({ kind: z.string(), name: z.string(), action: z.string() }),
  refused_by: z.string().exactOptional(),
  decision_id: z.string(),
});

export interface DenialDetails {
  /** The code's fixed sentence if absent. */
  readonly reason?: string;
  readonly remediation?: Remediation;
  readonly refusedBy?: string;
}

export function newDenial(
  code: DenialCode,
  hop: Denial["hop"],
  decisionId: string,
  details: DenialDetails = {},
): Denial {
  const { reason = DENIAL_REASONS[code], remediation, refusedBy } = details;
  return Object.freeze({
    decision: "deny",
    code,
    reason: cleanText(reason),
    ...(remediation && { remediation }),
    retryable: RETRYABLE.has(code),
    hop,
    ...(refusedBy !== undefined && { refused_by: refusedBy }),
    decision_id: decisionId,
  });
}

/** Reads a denial out of untrusted JSON, or answers `undefined`. */
export function parseDenial(value: unknown): Denial | undefined {
  return attempted(() => {
    const result = denialSchema.safeParse(value);
    return result.success ? Object.freeze(result.data) : undefined;
  });
}

/** What was thrown at us may have getters that throw themselves. */
function attempted<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The key of the denial in MCP's `_meta`: reverse DNS, as the specification asks. */
export const DENIAL_META_KEY = "dev.hopguard/denial";

/** Where SDKs keep what a server, or a guard in its place, answered. */
const CARRIERS = ["denial", "error", "data", "body", "cause", "_meta", DENIAL_META_KEY] as const;
/** The AI SDK keeps the answer as its text, and of what was in it only what its schema knows. */
const TEXT_CARRIER = "responseBody";

/** Getters may make up new objects for as long as they are asked. */
const MAX_DEPTH = 8;
const MAX_OBJECTS = 1000;

/**
 * Finds the denial in whatever was thrown or returned: hopguard's own error, an SDK's error with the body in it, the data of an MCP
 * error, a tool result's `_meta`, or any of these as the `cause` of another error. Answers `undefined` when there is none.
 */
export function findDenial(value: unknown): Denial | undefined {
  const seen = new Set<object>();
  const search = (candidate: unknown, depth: number): Denial | undefined => {
    if (typeof candidate !== "object" || candidate === null || seen.has(candidate)) return undefined;
    if (depth > MAX_DEPTH || seen.size >= MAX_OBJECTS) return undefined;
    seen.add(candidate);
    const denial = parseDenial(candidate);
    if (denial) return denial;
    const members = candidate as Readonly<Record<string, unknown>>;
    for (const key of [...CARRIERS, TEXT_CARRIER]) {
      const carried = attempted(() =>
        key === TEXT_CARRIER ? (JSON.parse(String(members[key])) as unknown) : members[key],
      );
      const found = search(carried, depth + 1);
      if (found) return found;
    }
    return undefined;
  };
  return search(value, 0);
}
