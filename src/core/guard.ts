import * as z from "zod";
import { attempt } from "./attempt";
import type { GuardContext, SessionContext } from "./context";
import { within } from "./deadline";
import { AuthorizationDeniedError, ConfigurationError } from "./errors";
import { newEvaluation } from "./evaluation";
import { parseGuardOptions, type GuardOptions } from "./guard-options";
import { takeUpDelegation } from "./delegation-token";
import { asserted, proven, type Identified } from "./identification";
import { parseOptions } from "./options";
import type { IdentityVerifier, Revocation, RevocationTarget } from "./ports";
import { identifier, parseAgent } from "./principal";
import { newRevocation, parseTarget, type RevocationDetails } from "./revocation";
import { createSession, type Session } from "./session";
import { sessionContext } from "./session-context";
import { parseSessionOptions, type OwnRun, type SessionOptions, type TakenUp } from "./session-options";

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
  /** Every revocation that stands, the newest first. */
  revocations(): Promise<readonly Revocation[]>;
  /** Makes a task live, for a guard with `tasks: "registered"`; until it is ended, or for so many milliseconds. */
  registerTask(id: string, options?: { readonly expiresInMs?: number }): Promise<void>;
  /** Ends a registered task: from the moment that this resolves, every hop of it is denied with `revoked`. */
  endTask(id: string): Promise<void>;
}

const NO_TASK = 'session.task: the guard says tasks: "registered", and this session has none';
const NO_TOKENS = "session.delegation: needs the guard's option `delegation.tokens` to verify it";
const lifetime = z.strictObject({ expiresInMs: z.int().positive().exactOptional() });

/**
 * Makes a guard out of complete options; `createGuard` of the package fills in the defaults.
 *
 * @throws {ConfigurationError} naming every wrong option.
 */
export function assembleGuard(given: GuardOptions & Required<Pick<GuardOptions, "audit" | "state">>): Guard {
  const { context: guard, identity, catalogue } = parseGuardOptions(given);
  const { state, clock } = guard;

  return Object.freeze<Guard>({
    session: async (given) => {
      const options = parseSessionOptions(given);
      const session =
        options.delegation === undefined ? begin(guard, identity, options) : await takeUp(guard, options);
      if (guard.tasks === "registered" && !session.task) throw new ConfigurationError(NO_TASK);
      return createSession(session, await proveIdentity(session), catalogue);
    },
    revoke: async (target, details = {}) => {
      await state.revocations.revoke(newRevocation(target, details, clock()));
    },
    restore: async (target) => {
      await state.revocations.restore(parseTarget(target, "restore"));
    },
    revocations: async () => state.revocations.list(),
    registerTask: async (id, options = {}) => {
      const { expiresInMs } = parseOptions(lifetime, "registerTask", options);
      // Stores go by the real time, whatever the clock of the records says.
      const expiresAt = expiresInMs === undefined ? undefined : Date.now() + expiresInMs;
      await state.tasks.register(parseOptions(identifier, "registerTask.id", id), expiresAt);
    },
    endTask: async (id) => {
      await state.tasks.end(parseOptions(identifier, "endTask.id", id));
    },
  });
}

function begin(
  guard: GuardContext,
  identity: IdentityVerifier | undefined,
  { id, principal, agent, task, tokens }: OwnRun,
): SessionContext {
  const startedAt = guard.clock();
  const isAsserted = tokens.subject === undefined && tokens.agent === undefined;
  const prove =
    isAsserted && principal
      ? asserted(principal, startedAt.getTime())
      : proven(tokens, { principal, agent }, identity, startedAt.getTime());
  const counter = guard.state.session(id, startedAt);
  return sessionContext(guard, { id, startedAt, counter, prove, agent, root: agent, task, links: [] });
}

/** A delegation that proves nothing opens no session, and is recorded as nobody's. */
async function takeUp(guard: GuardContext, { delegation, agent }: TakenUp): Promise<SessionContext> {
  const { tokens } = guard.delegation;
  if (!tokens) throw new ConfigurationError(NO_TOKENS);
  const nobody = begin(guard, undefined, {
    id: crypto.randomUUID(),
    principal: { id: "unknown", roles: [] },
    agent: parseAgent({ id: "unknown" }),
    task: undefined,
    tokens: { subject: undefined, agent: undefined },
  });
  const opening = newEvaluation({ kind: "session", name: "unknown", action: "open" });
  const taken = await attempt<SessionContext>(nobody, opening, undefined, (enter) => {
    enter("delegation");
    return takeUpDelegation(guard, tokens, delegation, agent);
  });
  if ("effect" in taken) throw new AuthorizationDeniedError(taken.denial);
  return taken;
}

/** A token that proves nothing opens no session. The refusal is recorded like any other. */
async function proveIdentity(session: SessionContext): Promise<Pick<Session, "principal" | "auth">> {
  const opening = newEvaluation({ kind: "session", name: session.agent.id, action: "open" });
  const identified = await attempt<Identified>(session, opening, undefined, async (enter) => {
    enter("identity");
    return within(session.guard.timeoutMs, "identity", session.identify());
  });
  if ("effect" in identified) throw new AuthorizationDeniedError(identified.denial);
  const { principal, auth } = identified.proof;
  const { id, roles } = principal;
  return {
    principal: Object.freeze({ id, roles: Object.freeze([...roles]) }),
    auth: Object.freeze({ ...auth }),
  };
}
