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
import { ApprovalRequiredError, AuthorizationDeniedError } from "./errors";
import type { Hop } from "./hop";
import { decide } from "./pipeline";

/** One run of one agent on behalf of one principal. Adapters turn native calls into hops and ask here. */
export interface Session {
  readonly id: string;
  /** The acting agent's id. */
  readonly agent: string;
  readonly task: string | undefined;

  /** Decides one hop. Never rejects: what goes wrong, in whatever stage, is a deny decision. */
  check(hop: Hop, options?: CheckOptions): Promise<Decision>;

  /**
   * Decides one hop, and resolves only if it is allowed.
   *
   * @throws {ApprovalRequiredError} when the denial's remediation is a step-up, {@link AuthorizationDeniedError} for every other denial.
   */
  authorize(hop: Hop, options?: CheckOptions): Promise<AllowDecision>;

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
    check: (hop, options) => decide(context, hop, { ...options }),
    authorize: async (hop, options) => {
      const decision = await session.check(hop, options);
      return decision.effect === "allow" ? decision : refuse(decision);
    },
    visible: (owner, names, options) =>
      reader(options).tools(typeof owner === "string" ? { server: owner } : owner, names),
    capabilities: (candidates = catalogue, options) => reader(options).all(candidates),
  };
  return Object.freeze(session);
}

function refuse({ denial }: DenyDecision): never {
  throw denial.remediation?.type === "step_up"
    ? new ApprovalRequiredError(denial)
    : new AuthorizationDeniedError(denial);
}
