import * as z from "zod";
import { attempt } from "./attempt";
import type { SessionContext } from "./context";
import { within } from "./deadline";
import { AuthorizationDeniedError, ConfigurationError } from "./errors";
import { newEvaluation } from "./evaluation";
import { parseGuardOptions, type GuardOptions } from "./guard-options";
import { identification } from "./identification";
import { parseOptions } from "./options";
import type { Revocation, RevocationTarget } from "./ports";
import { identifier } from "./principal";
import { EnrichedPrincipals } from "./enriched-principals";
import { RememberedAnswers } from "./remembered-answers";
import { RepeatedDenials } from "./repeated-denials";
import { newRevocation, parseTarget, type RevocationDetails } from "./revocation";
import { createSession, type Session } from "./session";
import { parseSessionOptions, type SessionOptions } from "./session-options";
import { VisibilityCache } from "./visibility-cache";

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
const lifetime = z.strictObject({ expiresInMs: z.int().positive().exactOptional() });

/**
 * Makes a guard out of complete options; `createGuard` of the package fills in the defaults.
 *
 * @throws {ConfigurationError} naming every wrong option.
 */
export function assembleGuard(given: GuardOptions & Required<Pick<GuardOptions, "audit" | "state">>): Guard {
  const { context: guard, identity, catalogue } = parseGuardOptions(given);
  const { state, clock, agents } = guard;

  return Object.freeze<Guard>({
    session: async (given) => {
      const options = parseSessionOptions(given);
      const { id, agent, task } = options;
      const session: SessionContext = {
        guard,
        id,
        agent,
        task,
        counter: state.session(id, clock()),
        visibility: new VisibilityCache(guard.visibilityTtlMs),
        remembered: new RememberedAnswers(),
        enriched: new EnrichedPrincipals(),
        repeatedDenials: guard.repeats ? new RepeatedDenials(guard.repeats) : undefined,
        annotations: annotations(options),
        identify: identification(options, identity, agents),
      };
      if (guard.tasks === "registered" && !task) throw new ConfigurationError(NO_TASK);
      await proveIdentity(session);
      return createSession(session, catalogue);
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

/** A token that proves nothing opens no session. The refusal is recorded like any other. */
async function proveIdentity(session: SessionContext): Promise<void> {
  const opening = newEvaluation({ kind: "session", name: session.agent.id, action: "open" });
  const refused = await attempt<undefined>(session, opening, undefined, async (enter) => {
    enter("identity");
    await within(session.guard.timeoutMs, "identity", session.identify());
  });
  if (refused) throw new AuthorizationDeniedError(refused.denial);
}

/** What joins the PDP's decision log with our records. */
function annotations({
  id,
  agent,
  task,
}: Pick<SessionContext, "id" | "agent" | "task">): Readonly<Record<string, string>> {
  return Object.freeze({
    "hopguard.agent": agent.id,
    "hopguard.session": id,
    ...(agent.harness !== undefined && { "hopguard.harness": agent.harness }),
    ...(agent.version !== undefined && { "hopguard.version": agent.version }),
    ...(task && { "hopguard.task": task.id }),
  });
}
