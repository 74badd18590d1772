import type { Denial } from "./denial";
import type { HopSnapshot } from "./hop";
import type { TokenUsage } from "./usage";

/** How a call has gone; see {@link AllowDecision.settle}. */
export type SettledOutcome = "done" | "failed" | "unknown";

/** The hop may go on, with exactly what `hop` holds. */
export interface AllowDecision {
  readonly effect: "allow";
  readonly decisionId: string;
  readonly hop: HopSnapshot;
  /** The PDP was unreachable, and the guard's option `degraded` lets this hop pass nevertheless. */
  readonly degraded?: true;
  /**
   * Says how the call has gone. `"done"` makes it one of the session's `calls`, which policies may build on; `"failed"` gives back what it
   * had reserved of a budget; `"unknown"`, of a call that nobody waited for, does neither: whoever gives up may not get for nothing what
   * was done all the same. With what the provider says was used, that takes the place of the reservation; without, the reservation
   * stands. Only the first word counts. Adapters call it; whoever calls `check` by himself does so too.
   */
  settle(outcome: SettledOutcome, usage?: TokenUsage): void;
  /**
   * A short-lived, signed word on this decision for the service that is called (its name is the audience): who acts, for whom, what was
   * allowed, with which arguments. Adapters put it into the call.
   *
   * @throws {ConfigurationError} where the guard has no `assertions`, and for a look-up.
   */
  assertion(audience: string): Promise<string>;
}

/** The hop may not go on. `denial` is what the agent may read. */
export interface DenyDecision {
  readonly effect: "deny";
  readonly decisionId: string;
  readonly denial: Denial;
}

/** What a check resolves to. Narrow it by `effect`. */
export type Decision = AllowDecision | DenyDecision;
