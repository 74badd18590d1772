import type { CheckOptions } from "../../../core/context";
import { AuthorizationDeniedError } from "../../../core/errors";
import type { Hop } from "../../../core/hop";
import type { Session } from "../../../core/session";
import { checkTogether, NOTHING_USED, type JointAllow } from "../joint-decision";

/** As many as share a request to the PDP. More at once, of one model, would outlast its deadline. */
const TOGETHER = 50;

/**
 * Decides every hop, those that can share a request together. The answer speaks for the first of them, in which the call itself is; `undefined` for no
 * hops.
 *
 * @throws {AuthorizationDeniedError} for the first that is denied; those behind it are not asked about.
 */
export async function decideHops(
  session: Session,
  hops: readonly Hop[],
  options: CheckOptions,
): Promise<JointAllow | undefined> {
  const allowed: JointAllow[] = [];
  for (let start = 0; start < hops.length; start += TOGETHER) {
    const questions = hops.slice(start, start + TOGETHER).map((hop) => ({ hop, options }));
    const decision = await checkTogether(session, questions);
    if (decision?.effect === "deny") {
      for (const before of allowed) before.settle("failed");
      throw new AuthorizationDeniedError(decision.denial);
    }
    if (decision) allowed.push(decision);
  }
  const [first, ...others] = allowed;
  if (!first) return undefined;
  return {
    ...first,
    settle: (outcome, usage) => {
      first.settle(outcome, usage);
      for (const other of others) other.settle(outcome, usage && NOTHING_USED);
    },
  };
}
