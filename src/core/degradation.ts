import type { HopSnapshot } from "./hop";

/** Hops that stay allowed while the PDP is unreachable. */
export interface DegradedHop {
  readonly kind: string;
  /** Default: every action of the kind. */
  readonly actions?: readonly string[] | undefined;
}

/** Which hops an outage of the PDP does not stop, and for how long at most. */
export interface DegradedOptions {
  readonly allow: readonly DegradedHop[];
  /** Milliseconds from the first question that went unanswered. */
  readonly forMs: number;
}

/** Knows since when the PDP has been unreachable. */
export class Degradation {
  /** On the monotonic clock. */
  #since: number | undefined;

  constructor(private readonly options: DegradedOptions) {}

  answered(): void {
    this.#since = undefined;
  }

  /** Whether the hop may pass although nobody answered: it is listed, and the outage has not lasted too long. */
  admits({ kind, action }: HopSnapshot): boolean {
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since > this.options.forMs) return false;
    return this.options.allow.some(
      (hop) => hop.kind === kind && (hop.actions === undefined || hop.actions.includes(action)),
    );
  }
}
