import type { AuditFlag } from "./audit-record";
import type { Classifier } from "./classification";
import type { Degradation } from "./degradation";
import type { DelegationRules } from "./delegation";
import type { DenialCode } from "./denial";
import type { EnrichedPrincipals } from "./enriched-principals";
import type { HopSnapshot } from "./hop";
import type { Identification, Identified } from "./identification";
import type { JsonLimits } from "./json";
import type {
  AuditSink,
  AttributeProvider,
  Guardrail,
  AssertionSigner,
  DelegationTokens,
  MaybePromise,
  PolicyDecisionPoint,
  Revocation,
  StateStore,
} from "./ports";
import type { ModelAliases } from "./model-aliases";
import type { ModelFacts } from "./model-facts";
import type { RememberedAnswers } from "./remembered-answers";
import type { UsageOptions } from "./usage";
import type { RepeatedDenials, RepeatOptions } from "./repeated-denials";
import type { Run } from "./session-context";
import type { StandardSchema } from "./standard-schema";
import type { VisibilityCache } from "./visibility-cache";

/** What a guard is made of, once its options are read. */
export interface GuardContext {
  readonly pdp: PolicyDecisionPoint;
  readonly state: StateStore;
  readonly audit: AuditSink;
  readonly auxData: { readonly keySetId?: string } | undefined;
  readonly agents: "context" | "principal";
  readonly delegation: DelegationRules & { readonly tokens: DelegationTokens | undefined };
  readonly assertions: AssertionSigner | undefined;
  readonly denials: "explain" | "hide";
  readonly models: ModelAliases;
  readonly repeats: RepeatOptions | false;
  /** In the order in which they wait for one another. */
  readonly enrich: readonly AttributeProvider[];
  readonly classifiers: readonly Classifier[];
  readonly modelFacts: readonly ModelFacts[];
  readonly usage: UsageOptions | undefined;
  readonly tasks: "asserted" | "registered";
  readonly degradation: Degradation | undefined;
  /** Milliseconds; 0 for never. */
  readonly recheckEveryMs: number;
  readonly guardrails: readonly Guardrail[];
  readonly environment: string | undefined;
  readonly policyRevision: string | undefined;
  readonly recordArguments: boolean;
  readonly visibilityTtlMs: number;
  readonly timeoutMs: number;
  readonly limits: JsonLimits;
  readonly clock: () => Date;
}

/** The end of a session, once it has one. */
export interface Ending {
  revocation?: Revocation;
}

export interface SessionContext extends Run {
  readonly guard: GuardContext;
  readonly visibility: VisibilityCache;
  readonly repeatedDenials: RepeatedDenials | undefined;
  readonly remembered: RememberedAnswers;
  readonly enriched: EnrichedPrincipals;
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether this session, or one that it was delegated from, was ended. It stays so even if the state forgets, or never hears of it. */
  readonly ends: readonly Ending[];
  /** Whom to ask the PDP about; verified anew on every hop where there is a token. */
  readonly identify: Identification["identify"];
  readonly known: Identification["known"];
}

/** Options of one check. */
export interface CheckOptions {
  /** Aborts this check alone; its neighbours in a batch go on. */
  readonly signal?: AbortSignal;
  /** What `attr.arguments` must look like (any Standard Schema). What it makes of them is what is checked, and what to send. */
  readonly schema?: StandardSchema;
  /**
   * Only ask what the decision would be, as if the hop were taken now: every stage runs, nothing is counted, and the record is flagged
   * `look_up`. An allow is no permission: the call itself is checked when it is made.
   */
  readonly lookUp?: boolean;
  /** What the call says, as text, for classifiers: it goes nowhere else. A function is asked only if there are any. Default: what `attr.arguments` say. */
  readonly content?: string | (() => MaybePromise<string | undefined>) | undefined;
  /** The adapter has found already that this hop must be denied: it is denied and recorded, and the PDP is not asked. Only the record holds `detail`. */
  readonly refuse?: { readonly code: DenialCode; readonly reason?: string; readonly detail?: string };
}

/** What the core itself may say of a check, beside what a caller may. */
export interface DecideOptions extends CheckOptions {
  readonly flags?: readonly AuditFlag[];
  /**
   * Takes the place of the grants' check for the hop that hands authority on, which is held against them by its own rules. Answers with the hop
   * as policies are to see it.
   */
  readonly withinGrants?: (identified: Identified, hop: HopSnapshot) => Promise<HopSnapshot>;
  /** A look-up of a hop that was begun already, so that the counts hold it. */
  readonly isUnderWay?: boolean;
}
