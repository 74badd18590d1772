import {
  VisibilityReader,
  type Candidates,
  type Capabilities,
  type LookUpOptions,
  type ToolOwner,
  type VisibilityByName,
} from "./capabilities";
import type { CheckOptions, SessionContext } from "./context";
import type { AllowDecision, Decision, DenyDecision } from "./decision";
import { denialError } from "./errors";
import type { Hop } from "./hop";
import type { Denial } from "./denial";
import { delegate, type DelegateOptions } from "./delegate";
import { MAX_LIFE_MS } from "./delegation";
import { signedDelegation } from "./delegation-token";
import { decide } from "./pipeline";
import type { Authentication, PrincipalInput } from "./principal";
import { watch } from "./watch";

/** One run of one agent on behalf of one principal. Adapters turn native calls into hops and ask here. */
export interface Session {
  readonly id: string;
  /** The acting agent's id. */
  readonly agent: string;
  readonly task: string | undefined;
  /** For whom it acts, as that was known when the session was opened. What a token says later is read on every hop. */
  readonly principal: Pick<PrincipalInput, "id" | "roles">;
  /** How that is known. */
  readonly auth: Authentication;
  /** What to revoke (`guard.revoke({ delegation })`) in order to end this agent's authority and all that it has handed on. */
  readonly delegation: string | undefined;
  /** Whether the guard counts usage, so that adapters find out what a call has used. */
  readonly countsUsage: boolean;

  /** Decides one hop. Never rejects: what goes wrong, in whatever stage, is a deny decision. */
  check(hop: Hop, options?: CheckOptions): Promise<Decision>;

  /**
   * Decides one hop, and resolves only if it is allowed.
   *
   * @throws {ApprovalRequiredError} when the denial's remediation is a step-up, {@link AuthorizationDeniedError} for every other denial.
   */
  authorize(hop: Hop, options?: CheckOptions): Promise<AllowDecision>;

  /**
   * Watches over the hops of an allowed call that takes its time, such as a stream. `end` is called once, with the denial, within a second of a revocation or
   * an expired token, or when the policy, asked again every `recheckEveryMs`, says otherwise. Give the hops of the decisions, and the `content` that was checked
   * with them. Returns what ends the watch: call it when the call is over.
   */
  watch(
    hop: Hop | readonly Hop[],
    end: (denial: Denial) => void,
    options?: Pick<CheckOptions, "content">,
  ): () => void;

  /**
   * Hands a part of this session's authority to another agent, and answers with that agent's session. It counts and is revoked with this one.
   * Whether this agent may do so is the policy's to say: the action `delegate` on `a2a_<agent>`.
   *
   * @throws {ConfigurationError} naming a wrong option, {@link AuthorizationDeniedError} where policies deny it, or where it is not proven that
   * what is handed on is within what this session has.
   */
  delegate(options: DelegateOptions): Promise<DelegatedSession>;

  /**
   * Of a session that was delegated: the chain, signed, for the process in which the agent goes on with `guard.session({ delegation, agent })`.
   * It ends with the delegation, or with the user's own token if that is earlier.
   *
   * @throws {ConfigurationError} where nothing was delegated or the guard has no `delegation.tokens`, {@link AuthorizationDeniedError} where
   * authority has ended meanwhile.
   */
  delegationToken(): Promise<string>;

  /**
   * Ends the session, with all that was delegated from it: every later hop is denied with `revoked`, in every process. Rejects if the others could
   * not be told.
   */
  end(): Promise<void>;

  /**
   * Which of a server's (or a toolset's) tools this principal may use: always, depending on the arguments, or never. For showing
   * and hiding; each call is checked on its own.
   *
   * @throws {AuthorizationDeniedError} when that cannot be found out: nothing is to be shown then.
   */
  visible(
    owner: string | ToolOwner,
    names: readonly string[],
    options?: LookUpOptions,
  ): Promise<VisibilityByName>;

  /**
   * The same question for models, servers, tools and agents together. Without candidates, the guard's `catalogue` is asked about.
   *
   * @throws {AuthorizationDeniedError} when that cannot be found out.
   */
  capabilities(candidates?: Candidates, options?: LookUpOptions): Promise<Capabilities>;
}

/** The session of an agent that was handed a part of another's authority. */
export interface DelegatedSession extends Session {
  readonly delegation: string;
}

export function createSession(
  context: SessionContext,
  whom: Pick<Session, "principal" | "auth">,
  catalogue: Candidates,
): Session {
  const reader = (options: LookUpOptions = {}): VisibilityReader =>
    new VisibilityReader(context, options, refuse);

  const session: Session = {
    id: context.id,
    agent: context.agent.id,
    task: context.task?.id,
    principal: whom.principal,
    auth: whom.auth,
    delegation: context.links.at(-1)?.id,
    countsUsage: context.guard.usage !== undefined,
    check: (hop, options) => decide(context, hop, { ...options, flags: [] }),
    authorize: async (hop, options) => {
      const decision = await session.check(hop, options);
      return decision.effect === "allow" ? decision : refuse(decision);
    },
    watch: (hops, end, options) => watch(context, [hops].flat(), end, options),
    delegate: async (options) => {
      const child = await delegate(context, options);
      return "effect" in child ? refuse(child) : (createSession(child, whom, catalogue) as DelegatedSession);
    },
    delegationToken: async () => {
      const token = await signedDelegation(context);
      return typeof token === "string" ? token : refuse(token);
    },
    end: () => endSession(context),
    visible: (owner, names, options) =>
      reader(options).tools(typeof owner === "string" ? { server: owner } : owner, names),
    capabilities: (candidates = catalogue, options) => reader(options).all(candidates),
  };
  return Object.freeze(session);
}

async function endSession({ guard, id, links, ends }: SessionContext): Promise<void> {
  const delegation = links.at(-1);
  const target = delegation ? { delegation: delegation.id } : { session: id };
  // Stores go by the real time, whatever the clock of the records says.
  const expires_at = new Date(Date.now() + MAX_LIFE_MS).toISOString();
  const revocation = { target, reason: "ended", at: guard.clock().toISOString(), expires_at };
  const own = ends.at(-1);
  if (own) own.revocation = revocation;
  await guard.state.revocations.revoke(revocation);
}

function refuse({ denial }: DenyDecision): never {
  throw denialError(denial);
}
