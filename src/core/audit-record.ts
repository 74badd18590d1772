import type { DenialCode, Remediation } from "./denial";
import type { JsonValue } from "./json";

/** One decision, or one look-up, as it is kept. Names are the wire's: a record is one line of JSON. */
export interface AuditRecord {
  /** ISO 8601. */
  readonly time: string;
  readonly decision_id: string;
  readonly effect: "allow" | "deny";
  readonly code?: DenialCode;
  readonly reason?: string;
  readonly remediation?: Remediation;
  readonly refused_by?: string;
  /** What the agent was not told: the PDP's words that did not fit, the error behind a failure. */
  readonly detail?: string;
  readonly pdp_call_ids: readonly string[];
  readonly matched_policies: readonly string[];
  /** The operator's: a Git revision, or a digest of the bundle. */
  readonly policy_revision?: string;
  readonly hop: {
    readonly kind: string;
    readonly name: string;
    readonly action: string;
    /** The model that the requested name stands for, where that is another. */
    readonly canonical?: string;
  };
  /** For whom it was, or, where nobody was proven, for whom the session last was; `unknown` where it never was for anybody. */
  readonly subject: { readonly id: string; readonly roles: readonly string[] };
  readonly agent: {
    readonly id: string;
    readonly roles: readonly string[];
    readonly harness?: string;
    readonly version?: string;
  };
  /** Agents that the work passed through, the first delegator first. */
  readonly chain: readonly string[];
  /** The delegation by which this agent acts. */
  readonly delegation?: string;
  readonly task?: string;
  readonly session: string;
  /** The session's count of hops, this one included; 0 where it was denied before it was counted. */
  readonly step: number;
  /** Milliseconds from the call of `check` to the decision. */
  readonly ms: number;
  /** SHA-256 of the arguments, so that they can be proven without being kept. */
  readonly arguments_digest?: string;
  /** Only with the guard's option `recordArguments`. */
  readonly arguments?: JsonValue;
  readonly flags: readonly AuditFlag[];
}

/**
 * `look_up`: asked in order to show or hide, not to act. `recheck`: asked again while the call is under way. `degraded`: allowed because the PDP
 * was unreachable and the operator has listed the hop.
 */
export type AuditFlag = "look_up" | "recheck" | "degraded";
