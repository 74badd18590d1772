import type { CheckOptions } from "../../../core/context";
import { AuthorizationDeniedError } from "../../../core/errors";
import type { Hop } from "../../../core/hop";
import type { Session } from "../../../core/session";

/** As many as share a request to the PDP. More at once, of one model, would outlast its deadline. */
const TOGETHER = 50;

/**
 * Decides every hop, those that can share a request together.
 *
 * @throws {AuthorizationDeniedError} for the first that is denied; those behind it are not asked about.
 */
export async function decideHops(
  session: Session,
  hops: readonly Hop[],
  options: CheckOptions,
): Promise<void> {
  // Nothing to ask about is nothing that anybody allowed.
  if (hops.length === 0) throw new TypeError("a request is no hop");
  for (let start = 0; start < hops.length; start += TOGETHER) {
    const decisions = await Promise.all(
      hops.slice(start, start + TOGETHER).map((hop) => session.check(hop, options)),
    );
    for (const decision of decisions) {
      if (decision.effect === "deny") throw new AuthorizationDeniedError(decision.denial);
    }
  }
}
