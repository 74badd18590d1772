/**
 * The core: guards, sessions, decisions, denials, and the ports that can be filled with implementations of your own.
 *
 * @module hopguard
 */
export { createGuard } from "./create-guard";
export { memoryState } from "./state/memory";
export type { Guard } from "./core/guard";
export type { GuardOptions } from "./core/guard-options";
export type { Classifier } from "./core/classification";
export type { DegradedHop } from "./core/degradation";
export type { ModelFacts } from "./core/model-facts";
export type { TokenUsage } from "./core/usage";
export type { RevocationDetails } from "./core/revocation";
export type { SessionOptions } from "./core/session-options";
export type { DelegatedSession, Session } from "./core/session";
export type { DelegateOptions } from "./core/delegate";
export type { AuthorizationDetails, GrantConstraint } from "./core/grant";
export type { CheckOptions } from "./core/context";
export type {
  Candidates,
  Capabilities,
  LookUpOptions,
  ToolOwner,
  VisibilityByName,
} from "./core/capabilities";
export type { Visibility } from "./core/visibility-cache";
export type { Hop, HopSnapshot, ToolEffect } from "./core/hop";
export type { AllowDecision, Decision, DenyDecision, SettledOutcome } from "./core/decision";
export {
  DENIAL_META_KEY,
  DENIAL_REASONS,
  findDenial,
  parseDenial,
  type Denial,
  type DenialCode,
  type Remediation,
} from "./core/denial";
export {
  ApprovalRequiredError,
  AuthorizationDeniedError,
  ConfigurationError,
  HopguardError,
} from "./core/errors";
export { PdpError } from "./core/pdp-error";
export type { JsonLimits, JsonObject, JsonValue } from "./core/json";
export type {
  Agent,
  AgentInput,
  Authentication,
  PdpPrincipal,
  PrincipalInput,
  TaskInput,
  TokenSource,
} from "./core/principal";
export type { StandardIssue, StandardResult, StandardSchema } from "./core/standard-schema";
export type { AuditFlag, AuditRecord } from "./core/audit-record";
export type {
  AssertedHop,
  AssertionSigner,
  AttributeProvider,
  AuxData,
  AuditSink,
  Authority,
  DelegationTokens,
  EnrichmentInput,
  HopEnd,
  HopStanding,
  HopStart,
  Guardrail,
  GuardrailInput,
  GuardrailResult,
  IdentityVerifier,
  MaybePromise,
  PdpAnswer,
  PdpOutput,
  PdpQuery,
  PdpValidationError,
  PlanKind,
  PolicyDecisionPoint,
  Revocation,
  RevocationStore,
  RevocationTarget,
  SessionCounter,
  SessionFacts,
  StateStore,
  TaskStore,
  Usage,
  UsageAccount,
  VerifiedIdentity,
} from "./core/ports";
