/**
 * The ports: what the core needs from the rooms around it. They implement these interfaces; the core imports none of them.
 */
import type { AuditRecord } from "./audit-record";
import type { AuthorizationDetails } from "./grant";
import type { HopSnapshot } from "./hop";
import type { JsonObject, JsonValue } from "./json";
import type { Authentication, PdpPrincipal, PrincipalInput } from "./principal";
import type { StandardSchema } from "./standard-schema";

// ---------------------------------------------------------------------------------------------------------------- decisions

/** What a PDP may read beside principal and resource. One object for a token, so that its checks can share a request. */
export interface AuxData {
  readonly jwt: { readonly token: string; readonly keySetId?: string };
}

/** The actions that one principal asks for on one resource. */
export interface PdpQuery {
  readonly principal: PdpPrincipal;
  readonly resource: { readonly kind: string; readonly id: string; readonly attr: JsonObject };
  readonly actions: readonly string[];
  /** Joins the PDP's decision log with our audit trail. One object a session, so that its checks can share a request. */
  readonly annotations: Readonly<Record<string, string>>;
  /** With the guard's option `auxData`, the subject's token: policies read its claims as `request.auxData.jwt`. */
  readonly auxData?: AuxData;
}

/** What a rule had to say. It informs, it never decides. */
export interface PdpOutput {
  /** The policy and rule that it came from, for the audit record and to order outputs. */
  readonly source: string;
  readonly action: string;
  readonly value: unknown;
}

/** An answer of the PDP that has been read strictly. It proves an ALLOW only for an action whose effect is `"allow"`. */
export interface PdpAnswer {
  /** The PDP's own id of the call. */
  readonly callId?: string;
  /** By action; own properties of a `Map`, so that an action named `constructor` is only what it is. */
  readonly effects: ReadonlyMap<string, "allow" | "deny">;
  readonly matchedPolicies: ReadonlyMap<string, string>;
  readonly outputs: readonly PdpOutput[];
  /** Where the request did not meet the PDP's schemas. Any one of them denies. */
  readonly validationErrors: readonly PdpValidationError[];
}

/** One place where the request does not meet the PDP's schemas. */
export interface PdpValidationError {
  /** A JSON pointer into the attributes. */
  readonly path: string;
  readonly message: string;
  /** `SOURCE_PRINCIPAL` or `SOURCE_RESOURCE`. */
  readonly source: string;
}

/** What the policy says to an action whose attributes are not all known: allowed whatever they are, depending on them, or in no case. */
export type PlanKind = "always" | "conditional" | "never";

/** The policy decision point. `hopguard/cerbos` makes one. */
export interface PolicyDecisionPoint {
  /** Milliseconds after which it answers or rejects by itself. Without it the guard's own `timeoutMs` ends each call. */
  readonly timeoutMs?: number;
  /**
   * Answers for every action of one resource. Rejects with a `PdpError` when there is no answer in time or it proves nothing; an answer
   * that leaves an action out counts as a denial of it.
   */
  check(query: PdpQuery, options?: { readonly signal?: AbortSignal }): Promise<PdpAnswer>;
  /** What the policy would say to one action if attributes that are left out were known. */
  plan(query: PdpQuery, options?: { readonly signal?: AbortSignal }): Promise<PlanKind>;
}

// ---------------------------------------------------------------------------------------------------------------- identity

/** Whom a token speaks for, and how that is known. */
export interface VerifiedIdentity {
  readonly principal: PrincipalInput;
  readonly auth: Authentication;
  /** Milliseconds since 1970. Looked at on every hop: from then on the token proves nothing. */
  readonly expiresAt?: number;
  /** Milliseconds since 1970. A revocation may end only what was issued before it. */
  readonly issuedAt?: number;
  /** The logins that the token stems from, each by a name that no other login has: a logout revokes it. */
  readonly logins?: readonly string[];
  /** Who acts, by the token's own word (RFC 8693, `act`). Another agent may not use it. */
  readonly actor?: string;
  /** What the token is limited to (RFC 9396). Absent: policies alone say what its bearer may do. Empty: nothing. */
  readonly authorizationDetails?: readonly AuthorizationDetails[];
}

/** Proves who a token speaks for. Asked on every hop, so that an expired token ends the session's authority. */
export interface IdentityVerifier {
  /** Rejects when the token does not prove an identity. */
  verify(token: string): Promise<VerifiedIdentity>;
}

/** Signs delegations, so that an agent in another process can take them up, and verifies them there. */
export interface DelegationTokens {
  /** A token for the agent `audience`, which expires at `expiresAt`, in milliseconds since 1970. */
  sign(
    delegation: JsonObject,
    options: { readonly audience: string; readonly expiresAt: number },
  ): Promise<string>;
  /** Answers with what was signed, for whom and until when. Rejects when the token proves no delegation. */
  verify(
    token: string,
  ): Promise<{ readonly delegation: unknown; readonly audience: string; readonly expiresAt: number }>;
}

/** What an assertion says of a hop that was allowed. */
export interface AssertedHop {
  readonly subject: string;
  readonly agent: string;
  /** Agents that the work passed through, the first delegator first. */
  readonly chain: readonly string[];
  readonly task?: string;
  readonly session: string;
  readonly decisionId: string;
  readonly hop: { readonly kind: string; readonly name: string; readonly action: string };
  /** SHA-256 of the canonical JSON of the arguments, as `sha-256:<hex>`. */
  readonly argumentsDigest?: string;
}

/** Signs what was decided, so that a service further on can check it again. */
export interface AssertionSigner {
  /** Answers with the signed word on the hop, for this audience alone. A call is denied where it rejects. */
  sign(asserted: AssertedHop, audience: string): Promise<string>;
}

// ---------------------------------------------------------------------------------------------------------------- enrichment

/** What a provider may know of the hop. The signal is aborted when its time is up. */
export interface EnrichmentInput {
  readonly hop: HopSnapshot;
  readonly principal: PdpPrincipal;
  /** What the providers that this one comes `after` have found out. */
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly signal: AbortSignal;
}

/** A policy information point (PIP): finds out what the policy wants to know. */
export interface AttributeProvider {
  /** Names it in `after`, in records, and as `R.attr.facts.<name>`. */
  readonly name: string;
  /**
   * What it adds to. `"facts"` (the default): its answer is `R.attr.facts.<name>`. `"principal"`, `"agent"` and `"task"`: its answer is an object
   * whose `keys` are added to `P.attr`, `P.attr.agent.attr` and `P.attr.task`; there it wins over what the caller has said.
   */
  readonly adds?: "facts" | "principal" | "agent" | "task";
  /** The members that it may add; another one in its answer denies. Needed with every `adds` but `"facts"`. */
  readonly keys?: readonly string[];
  /** What its answer must look like (zod, or any Standard Schema). Another answer denies. */
  readonly schema?: StandardSchema;
  /** Default: every hop. */
  readonly applies?: (hop: HopSnapshot) => boolean;
  /** Names of providers whose facts it needs. Others run beside it. */
  readonly after?: readonly string[];
  /**
   * For how many milliseconds an answer is used again, within the session: for each hop that asks the same (`"hop"`), or for every hop
   * (`"session"`). Hops that ask together share one call. Default: nothing is remembered.
   */
  readonly cache?: { readonly per: "hop" | "session"; readonly ttlMs: number };
  /** The policy can do without: a failure adds nothing, and is noted on the record, instead of denying. Default false. */
  readonly optional?: boolean;
  /** Resolves to plain JSON. A rejection, or silence past the deadline, denies the hop with `enrichment_failed`. */
  readonly provide: (input: EnrichmentInput) => Promise<unknown>;
  /** Milliseconds, default the guard's `timeoutMs`. */
  readonly timeoutMs?: number;
}

// ---------------------------------------------------------------------------------------------------------------- state

/** A store in memory answers at once; one on the network with a promise. */
export type MaybePromise<T> = T | Promise<T>;

/** Exactly one member is given. */
export interface RevocationTarget {
  readonly session?: string;
  readonly task?: string;
  readonly agent?: string;
  readonly principal?: string;
  /** A delegation, and with it every one below. */
  readonly delegation?: string;
  /** A login at an identity provider, and with it every session that was opened with a token of it. */
  readonly login?: string;
}

/** Authority that has been withdrawn. */
export interface Revocation {
  readonly target: RevocationTarget;
  readonly reason?: string;
  readonly author?: string;
  /** ISO 8601. */
  readonly at: string;
  /** ISO 8601; it may be forgotten then. Without it, never. */
  readonly expires_at?: string;
  /** ISO 8601. Ends only what was issued before, so that whoever logs in again may go on. Without it, everything. */
  readonly issued_before?: string;
}

/** What a hop's authority rests on. */
export interface Authority {
  readonly targets: readonly RevocationTarget[];
  /** When the identity behind it was issued, or the session begun; in milliseconds since 1970. Default: before any revocation. */
  readonly issuedAt?: number;
  /** A task that must be registered and alive, too. */
  readonly task?: string;
}

/** Where revocations are kept. A rejection denies the hop with `state_unavailable`. */
export interface RevocationStore {
  /** Resolves when every later `find`, in whatever process, will see it. */
  revoke(revocation: Revocation): void | Promise<void>;
  /** Takes a revocation back. */
  restore(target: RevocationTarget): void | Promise<void>;
  /** The first revocation that ends the authority; for a task that is not alive, one that says so. */
  find(authority: Authority): MaybePromise<Revocation | undefined>;
  /** Every revocation that stands, the newest first. */
  list(): MaybePromise<readonly Revocation[]>;
}

/** The tasks that are alive. Asked about where the guard says `tasks: "registered"`: state that was lost then denies. */
export interface TaskStore {
  /** `expiresAt` in milliseconds since 1970; without it the task lives until it is ended. */
  register(id: string, expiresAt?: number): void | Promise<void>;
  /** From the moment that it resolves the task is not live any more. One that is not there is no error. */
  end(id: string): void | Promise<void>;
}

/** `R.attr.context.session`: what has happened so far, the hop in question counted. */
export interface SessionFacts {
  readonly id: string;
  /** ISO 8601, so that `timestamp()` reads it. */
  readonly started_at: string;
  readonly steps: number;
  readonly attempts: Readonly<Record<string, number>>;
  /** Allowed, and done: a call that failed is none. */
  readonly calls: Readonly<Record<string, number>>;
  readonly denials: number;
}

/** Amounts that are counted. Whole numbers below 2^53; money in millionths of the unit that prices are given in, so that sums are exact. */
export interface Usage {
  readonly calls: number;
  readonly input_tokens: number;
  /** Reasoning tokens among them. */
  readonly output_tokens: number;
  readonly reasoning_tokens: number;
  readonly cost_micros: number;
}

/** One sum that amounts are counted in. */
export interface UsageAccount {
  readonly scope: "principal" | "agent" | "task" | "session";
  readonly id: string;
  /** `total`, or the name of a window of time. */
  readonly window: string;
  /** Which of the windows, counted from 1970; 0 for the total. */
  readonly index: number;
  /** Milliseconds since 1970 after which nobody asks for it. */
  readonly expiresAt?: number;
}

/** A hop that is about to be decided. */
export interface HopStart {
  readonly action: string;
  readonly authority: Authority;
  /** What to add to each account now, and to take back should the hop be denied. */
  readonly reserve: Usage;
  readonly accounts: readonly UsageAccount[];
}

/** How things stand for a hop, itself counted. */
export interface HopStanding {
  readonly session: SessionFacts;
  /** One for each account, in their order. */
  readonly usage: readonly Usage[];
  /** Authority was withdrawn: nothing was counted. */
  readonly revocation?: Revocation;
}

/** How a hop that was begun has ended. */
export interface HopEnd {
  readonly action: string;
  readonly outcome: "denied" | "failed" | "done";
  /** What is to be added to each account: what was used, less what was reserved. */
  readonly correction: Usage;
  readonly accounts: readonly UsageAccount[];
}

/** Counts the hops of one session. A rejection denies the hop with `state_unavailable`. */
export interface SessionCounter {
  /** In one atomic step: reads revocations, counts an attempt, reserves, and answers with the sums that include it. */
  begin(start: HopStart): MaybePromise<HopStanding>;
  /** Counts how an attempt that was begun has ended. */
  settle(end: HopEnd): void | Promise<void>;
  /** The counts as they stand, for look-ups. */
  peek(accounts: readonly UsageAccount[]): MaybePromise<HopStanding>;
}

/** Where sessions are counted, and revocations, tasks and usage are kept. In memory by default. A store that cannot be read denies. */
export interface StateStore {
  readonly revocations: RevocationStore;
  readonly tasks: TaskStore;
  /** Reading takes a round trip: revocations are then read where the hop is counted, and not once more before. */
  readonly isRemote?: boolean;
  /** The counter of one session. */
  session(id: string, startedAt: Date): SessionCounter;
}

// ---------------------------------------------------------------------------------------------------------------- audit

/** Where records go. A rejection, or silence past the deadline, means that nothing is allowed. */
export interface AuditSink {
  /** Takes one record. Resolves when it is safe to go on. */
  write(record: AuditRecord): void | Promise<void>;
}

// ---------------------------------------------------------------------------------------------------------------- guardrails

/** What a guardrail may know of the hop. The signal is aborted when its time is up. */
export interface GuardrailInput {
  readonly hop: HopSnapshot;
  readonly principal: PdpPrincipal;
  readonly facts: Readonly<Record<string, JsonValue>>;
  readonly signal: AbortSignal;
}

/** Nothing, facts for the policy (`R.attr.facts.<guardrail's name>`), or a refusal. There is no way to allow. */
export type GuardrailResult =
  | undefined
  | { readonly facts: unknown }
  | {
      readonly deny: {
        readonly reason: string;
        readonly remediation?: { readonly type: string } & JsonObject;
      };
    };

/** A pre-call hook of the user's own. One that throws, or is silent past the deadline, denies. */
export interface Guardrail {
  readonly name: string;
  /** Default: every hop. */
  readonly applies?: (hop: HopSnapshot) => boolean;
  /** Looks at a hop that has not been decided yet, and may add facts or deny. */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- a hook that only looks returns nothing
  readonly check: (input: GuardrailInput) => GuardrailResult | void | Promise<GuardrailResult | void>;
  /** Milliseconds, default 1000. */
  readonly timeoutMs?: number;
}
