import { z } from "zod";
import { attempt } from "./attempt";
import type { Candidates } from "./capabilities";
import type { GuardContext, SessionContext } from "./context";
import { within } from "./deadline";
import { AuthorizationDeniedError, ConfigurationError } from "./errors";
import { newEvaluation } from "./evaluation";
import { isFactName } from "./names";
import { parseOptions } from "./options";
import type {
  AttributeProvider,
  AuditSink,
  Guardrail,
  IdentityVerifier,
  PolicyDecisionPoint,
  RevocationStore,
  RevocationTarget,
  StateStore,
} from "./ports";
import {
  checkedPrincipals,
  identifier,
  parseAgent,
  parseTask,
  type AgentInput,
  type CheckedPrincipal,
  type PrincipalInput,
  type TaskInput,
} from "./principal";
import { createSession, type Session } from "./session";
import { VisibilityCache } from "./visibility";

/** What a guard is made of. Only `pdp` is needed. */
export interface GuardOptions {
  /** Who decides: `cerbos("http://localhost:3592")` from `hopguard/cerbos`. */
  readonly pdp: PolicyDecisionPoint;
  /** Where audit records go. Default: one JSON line each on stderr. What cannot be recorded is not allowed. */
  readonly audit?: AuditSink | AuditSink["write"];
  /** Where sessions are counted and revocations are kept. Default: this process's memory. */
  readonly state?: StateStore;
  /** Proves who a token speaks for; needed for `session({ token })`. */
  readonly identity?: IdentityVerifier;
  /**
   * Whether the agent is context of the subject's check only (`"context"`, the default), or also a principal of its own with its roles and
   * the role `agent`, which must be allowed as well (`"principal"`).
   */
  readonly agents?: "context" | "principal";
  /** Providers of `R.attr.facts.<name>`. */
  readonly enrich?: readonly AttributeProvider[];
  /** Pre-call hooks of your own: they may add facts or deny, and can never allow. */
  readonly guardrails?: readonly Guardrail[];
  /** Whether an agent reads the policy's reason and remediation (`"explain"`, the default) or only that it was denied (`"hide"`). */
  readonly denials?: "explain" | "hide";
  /** `R.attr.context.environment`: `production`, `staging`, … */
  readonly environment?: string;
  /** What `session.capabilities()` asks about by default. */
  readonly catalogue?: Candidates;
  /** Recorded with each decision: a Git revision, or a digest of the bundle. */
  readonly policyRevision?: string;
  /** Keep arguments in the audit records in clear. Default false: only their digest is kept. */
  readonly recordArguments?: boolean;
  /** Milliseconds for which a session remembers what to show. Default 5000; 0 turns it off. Decisions are never remembered. */
  readonly visibilityTtlMs?: number;
  /** Milliseconds that any one of identity, state, audit, a provider or a guardrail may take. Default 1000. Later is a denial. */
  readonly timeoutMs?: number;
  /** The largest call that is looked at. Default 64 levels and 1,048,576 characters of JSON; more is denied. */
  readonly limits?: { readonly maxDepth?: number; readonly maxLength?: number };
  /** The time of day for records. Default `() => new Date()`. */
  readonly clock?: () => Date;
}

/** Who acts, for whom and on what: one run of an agent. */
export type SessionOptions = {
  /** The agent that acts. */
  readonly agent: AgentInput;
  /** What it was set to work on; policies bind calls to it, and it can be revoked. */
  readonly task?: TaskInput;
  /** Default: a random UUID. */
  readonly id?: string;
} & (
  | {
      /** On whose behalf the agent acts, on your word: take it from where it was verified, never from a request. */
      readonly principal: PrincipalInput;
      readonly token?: undefined;
    }
  | {
      /** Verified by the guard's `identity` on every hop. A function is asked on every hop and may renew it. */
      readonly token: string | (() => string | Promise<string>);
      readonly principal?: undefined;
    }
);

/** Why authority was withdrawn, and by whom: for the audit record, never for the agent. */
export interface RevocationDetails {
  readonly reason?: string;
  readonly author?: string;
}

/** A policy enforcement point. One for a process, with a session for each run of an agent. */
export interface Guard {
  /**
   * Begins the run of an agent on behalf of a principal.
   *
   * @throws {ConfigurationError} naming the wrong option, {@link AuthorizationDeniedError} for a token that proves nothing.
   */
  session(options: SessionOptions): Promise<Session>;
  /** Withdraws authority: from the moment that this resolves, every hop of what is named is denied with `revoked`. */
  revoke(target: RevocationTarget, details?: RevocationDetails): Promise<void>;
  /** Takes a revocation back. */
  restore(target: RevocationTarget): Promise<void>;
}

const aFunction = <T>() => z.custom<T>((value) => typeof value === "function", "expected a function");
const objectWith = <T>(...methods: string[]) =>
  z.custom<T>(
    (value) =>
      typeof value === "object" &&
      value !== null &&
      methods.every((method) => typeof (value as Record<string, unknown>)[method] === "function"),
    `expected an object with ${methods.join("() and ")}()`,
  );

/** The object itself is kept, so that a class with state of its own works. */
const hook = <T extends { readonly name: string }>(method: string) =>
  objectWith<T>(method).refine(
    ({ name }) => isFactName(name),
    "expected a name of letters, digits and _: it becomes R.attr.facts.<name>",
  );
const storeOfRevocations = objectWith<RevocationStore>("find", "revoke", "restore");
const names = z.array(z.string());

const guardSchema = z.strictObject({
  pdp: objectWith<PolicyDecisionPoint>("check", "plan"),
  audit: z.union([objectWith<AuditSink>("write"), aFunction<AuditSink["write"]>()]),
  state: objectWith<StateStore>("session").refine(
    ({ revocations }) => storeOfRevocations.safeParse(revocations).success,
    "expected `revocations` with find(), revoke() and restore()",
  ),
  identity: objectWith<IdentityVerifier>("verify").optional(),
  agents: z.enum(["context", "principal"]).default("context"),
  enrich: z.array(hook<AttributeProvider>("provide")).default([]),
  guardrails: z.array(hook<Guardrail>("check")).default([]),
  denials: z.enum(["explain", "hide"]).default("explain"),
  environment: z.string().min(1).optional(),
  catalogue: z
    .strictObject({
      models: names.optional(),
      servers: names.optional(),
      tools: z.record(z.string(), names).optional(),
      toolsets: z.record(z.string(), names).optional(),
      agents: names.optional(),
    })
    .default({}),
  policyRevision: z.string().min(1).optional(),
  recordArguments: z.boolean().default(false),
  visibilityTtlMs: z.int().nonnegative().max(60_000).default(5000),
  timeoutMs: z.int().positive().max(60_000).default(1000),
  limits: z
    .strictObject({
      maxDepth: z.int().positive().max(90).optional(),
      maxLength: z.int().positive().optional(),
    })
    .default({}),
  clock: aFunction<() => Date>().default(() => () => new Date()),
});

const sessionSchema = z.strictObject({
  principal: z.unknown().optional(),
  agent: z.unknown().optional(),
  task: z.unknown().optional(),
  token: z.union([z.string().min(1), aFunction<() => string | Promise<string>>()]).optional(),
  id: identifier.optional(),
});

/**
 * Makes a guard out of complete options; `createGuard` of the package fills in the defaults.
 *
 * @throws {ConfigurationError} naming every wrong option.
 */
export function assembleGuard(given: GuardOptions & Required<Pick<GuardOptions, "audit" | "state">>): Guard {
  const { audit, catalogue, identity, ...options } = parseOptions(guardSchema, "createGuard", given);
  refuseSharedNames([...options.enrich, ...options.guardrails]);
  const context = Object.freeze({
    ...options,
    audit: typeof audit === "function" ? { write: audit } : audit,
  }) as GuardContext;

  return Object.freeze<Guard>({
    session: async (given) => {
      const {
        principal,
        token,
        id = crypto.randomUUID(),
        ...input
      } = parseOptions(sessionSchema, "session", given);
      const agent = parseAgent(input.agent);
      const task = input.task === undefined ? undefined : parseTask(input.task);
      const actors = { agent, task };
      if ((principal === undefined) === (token === undefined)) {
        throw new ConfigurationError("session: give either principal or token");
      }
      const startedAt = context.clock();
      const session: SessionContext = {
        guard: context,
        id,
        agent,
        task,
        counter: context.state.session(id, startedAt),
        visibility: new VisibilityCache(context.visibilityTtlMs),
        annotations: Object.freeze({
          "hopguard.agent": agent.id,
          "hopguard.session": id,
          ...(agent.harness !== undefined && { "hopguard.harness": agent.harness }),
          ...(agent.version !== undefined && { "hopguard.version": agent.version }),
          ...(task && { "hopguard.task": task.id }),
        }),
        identify:
          token === undefined
            ? asserted(principal as PrincipalInput, actors, context.agents)
            : verified(token, identity, actors, context.agents),
      };
      const opening = newEvaluation({ kind: "session", name: agent.id, action: "open" });
      const refused = await attempt<undefined>(session, opening, undefined, async (enter) => {
        enter("identity");
        await within(context.timeoutMs, "identity", session.identify());
      });
      if (refused) throw new AuthorizationDeniedError(refused.denial);
      return createSession(session, catalogue as Candidates);
    },
    revoke: async (target, details = {}) =>
      context.state.revocations.revoke({
        ...parseOptions(revocationDetailsSchema, "revoke", details),
        target: parseOptions(targetSchema, "revoke", target),
        at: context.clock().toISOString(),
      }),
    restore: async (target) =>
      context.state.revocations.restore(parseOptions(targetSchema, "restore", target)),
  });
}

type Actors = Omit<Parameters<typeof checkedPrincipals>[0], "principal" | "auth">;
type Identify = SessionContext["identify"];

/** The caller's word. The same objects on every hop, so that checks of one session can share a request. */
function asserted(principal: PrincipalInput, actors: Actors, agents: GuardContext["agents"]): Identify {
  const checked = checkedPrincipals(
    { ...actors, principal, auth: { method: "asserted", verified: false } },
    agents,
  );
  const answer = Promise.resolve(checked);
  return () => answer;
}

/** The verifier's word, asked on every hop. The same objects as long as it says the same. */
function verified(
  token: string | (() => string | Promise<string>),
  identity: IdentityVerifier | undefined,
  actors: Actors,
  agents: GuardContext["agents"],
): Identify {
  if (!identity)
    throw new ConfigurationError("session.token: needs the guard's option `identity` to verify it");
  let last:
    | { readonly key: string; readonly checked: readonly [CheckedPrincipal, ...CheckedPrincipal[]] }
    | undefined;
  return async () => {
    const proven = await identity.verify(typeof token === "string" ? token : await token());
    const key = JSON.stringify(proven);
    if (last?.key !== key) last = { key, checked: checkedPrincipals({ ...proven, ...actors }, agents) };
    return last.checked;
  };
}

function refuseSharedNames(hooks: readonly { readonly name: string }[]): void {
  const seen = new Set<string>();
  for (const { name } of hooks) {
    if (seen.has(name))
      throw new ConfigurationError(`createGuard: two providers or guardrails are named "${name}"`);
    seen.add(name);
  }
}

/** A member that is there and undefined is refused: it would revoke nothing, and nobody would be told. */
const targetSchema = z
  .strictObject({
    session: z.string().min(1).exactOptional(),
    task: z.string().min(1).exactOptional(),
    agent: z.string().min(1).exactOptional(),
    principal: z.string().min(1).exactOptional(),
  })
  .refine(
    (target) => Object.keys(target).length === 1,
    "name exactly one of session, task, agent, principal",
  );

const revocationDetailsSchema = z.strictObject({
  reason: z.string().exactOptional(),
  author: z.string().exactOptional(),
});
