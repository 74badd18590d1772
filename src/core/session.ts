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
import { decide } from "./pipeline";
import { watch } from "./watch";

/** One run of one agent on behalf of one principal. Adapters turn native calls into hops and ask here. */
export interface Session {
  readonly id: string;
  /** The acting agent's id. */
  readonly agent: string;
  readonly task: string | undefined;
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

  /** Ends the session: every later hop of it is denied with `revoked`, in every process. Rejects if the others could not be told. */
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

export function createSession(context: SessionContext, catalogue: Candidates): Session {
  const reader = (options: LookUpOptions = {}): VisibilityReader =>
    new VisibilityReader(context, options, refuse);

  const session: Session = {
    id: context.id,
    agent: context.agent.id,
    task: context.task?.id,
    countsUsage: context.guard.usage !== undefined,
    check: (hop, options) => decide(context, hop, { ...options, flags: [] }),
    authorize: async (hop, options) => {
      const decision = await session.check(hop, options);
      return decision.effect === "allow" ? decision : refuse(decision);
    },
    watch: (hops, end, options) => watch(context, [hops].flat(), end, options),
    end: () => endSession(context),
    visible: (owner, names, options) =>
      reader(options).tools(typeof owner === "string" ? { server: owner } : owner, names),
    capabilities: (candidates = catalogue, options) => reader(options).all(candidates),
  };
  return Object.freeze(session);
}

/** Longer than anything lives elsewhere that was begun in it. */
const ENDED_FOR_MS = 7 * 86_400_000;

async function endSession(session: SessionContext): Promise<void> {
  const { guard, id } = session;
  // Stores go by the real time, whatever the clock of the records says.
  const expires_at = new Date(Date.now() + ENDED_FOR_MS).toISOString();
  const at = guard.clock().toISOString();
  session.ended = { target: { session: id }, reason: "ended", at, expires_at };
  await guard.state.revocations.revoke(session.ended);
}

function refuse({ denial }: DenyDecision): never {
  throw denialError(denial);
}
