import type { Evaluation } from "./evaluation";
import type { HopSnapshot } from "./hop";
import { PdpError } from "./pdp-error";
import type { PolicyDecisionPoint } from "./ports";
import type { PdpPrincipal } from "./principal";

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

  constructor(
    private readonly options: DegradedOptions,
    private readonly pdp: PolicyDecisionPoint,
  ) {}

  /** Hears how a question has ended: whatever the answer was, somebody is there. */
  heard({ answers }: Evaluation): void {
    if (answers.length > 0) this.#since = undefined;
  }

  /** Whether the hop may pass with this error: it is listed, nobody answers anything, and the outage has not lasted too long. */
  async admits(
    error: unknown,
    { answers }: Evaluation,
    { kind, action }: HopSnapshot,
    principal: PdpPrincipal,
  ): Promise<boolean> {
    if (!isUnreachable(error) || answers.length > 0) return false;
    const now = performance.now();
    this.#since ??= now;
    if (now - this.#since > this.options.forMs) return false;
    const isListed = this.options.allow.some(
      (hop) => hop.kind === kind && (hop.actions === undefined || hop.actions.includes(action)),
    );
    if (!isListed) return false;
    if (await this.#isSilent(principal)) return true;
    this.#since = undefined;
    return false;
  }

  /**
   * Whether a question goes unanswered, too, that the agent has no part in: arguments that take the policy long, or that the PDP stumbles over, must not
   * be a way past it. Annotations of its own keep it out of a request that others share.
   */
  async #isSilent(principal: PdpPrincipal): Promise<boolean> {
    const resource = { kind: "hopguard_probe", id: crypto.randomUUID(), attr: {} };
    try {
      await this.pdp.check({ principal, resource, actions: ["hopguard_probe"], annotations: {} });
      return false;
    } catch (error) {
      return isUnreachable(error);
    }
  }
}

function isUnreachable(error: unknown): boolean {
  return PdpError.isInstance(error) && error.reason === "pdp_unavailable";
}
