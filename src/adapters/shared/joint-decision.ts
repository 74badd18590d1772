import type { CheckOptions } from "../../core/context";
import type { DenyDecision, SettledOutcome } from "../../core/decision";
import type { Denial } from "../../core/denial";
import type { Hop, HopSnapshot } from "../../core/hop";
import type { Session } from "../../core/session";
import type { TokenUsage } from "../../core/usage";

/** A hop to be asked about, and how. */
export interface JointQuestion {
  readonly hop: Hop;
  readonly options: CheckOptions;
}

/** All hops of a call are allowed. */
export interface JointAllow {
  readonly effect: "allow";
  /** Of the first hop. */
  readonly decisionId: string;
  /** The first hop, which is the call itself. */
  readonly hop: HopSnapshot;
  /** Says how the call has gone, for all of its hops. What was used was used by the first; where nobody says it, all that was reserved stands. */
  settle(outcome: SettledOutcome, usage?: TokenUsage): void;
  /** The signed word on the first, as `AllowDecision` has it. */
  assertion(audience: string): Promise<string>;
  /** Watches over all of them; see {@link Session.watch}. */
  watch(end: (denial: Denial) => void): () => void;
}

export const NOTHING_USED: TokenUsage = { input_tokens: 0, output_tokens: 0 };

/**
 * Decides hops that stand or fall together, such as a tool and the tool that it calls: asked at once, so that the checks share a request. Of
 * several denials the first is the answer; what was allowed beside it has not happened.
 */
export async function checkTogether(
  session: Session,
  questions: readonly JointQuestion[],
): Promise<JointAllow | DenyDecision | undefined> {
  const decisions = await Promise.all(questions.map(({ hop, options }) => session.check(hop, options)));
  const allowed = decisions.filter((decision) => decision.effect === "allow");
  const denied = decisions.find((decision) => decision.effect === "deny");
  if (denied) {
    for (const decision of allowed) decision.settle("failed");
    return denied;
  }
  const [first, ...others] = allowed;
  if (!first) return undefined;
  // Of a call, and so of all of its hops.
  const content = questions[0]?.options.content;
  return {
    effect: "allow",
    decisionId: first.decisionId,
    hop: first.hop,
    assertion: (audience) => first.assertion(audience),
    settle: (outcome, usage) => {
      // Amounts, even of nothing, would make a call of what has failed.
      const said = outcome === "failed" ? undefined : usage;
      first.settle(outcome, said);
      for (const decision of others) decision.settle(outcome, said && NOTHING_USED);
    },
    // As they were checked: what a schema made of the arguments is what runs.
    watch: (end) =>
      session.watch(
        allowed.map(({ hop }) => hop),
        end,
        content === undefined ? {} : { content },
      ),
  };
}
