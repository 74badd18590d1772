import type { Denial } from "./denial";
import type { HopSnapshot } from "./hop";

/** The hop may go on, with exactly what `hop` holds. */
export interface AllowDecision {
  readonly effect: "allow";
  readonly decisionId: string;
  readonly hop: HopSnapshot;
}

/** The hop may not go on. `denial` is what the agent may read. */
export interface DenyDecision {
  readonly effect: "deny";
  readonly decisionId: string;
  readonly denial: Denial;
}

/** What a check resolves to. Narrow it by `effect`. */
export type Decision = AllowDecision | DenyDecision;
