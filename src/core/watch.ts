import { attempt } from "./attempt";
import type { SessionContext } from "./context";
import { within } from "./deadline";
import type { DenyDecision } from "./decision";
import type { Denial } from "./denial";
import { newEvaluation } from "./evaluation";
import { describeHop, type Hop } from "./hop";
import { decide } from "./pipeline";
import { refuseRevoked } from "./revocation";

/** A call in flight ends within a second of a revocation: this often is looked, in milliseconds. */
const WATCH_EVERY_MS = 400;

/**
 * Watches over the hops of a call that takes its time, such as a stream: identity and revocations are looked at several times a second, and every
 * `recheckEveryMs` the policy is asked anew. `end` is called once, with the denial, when the call may not go on; a state that cannot be read
 * ends it too. Returns the function that ends the watch.
 */
export function watch(
  session: SessionContext,
  hops: readonly Hop[],
  end: (denial: Denial) => void,
): () => void {
  const { recheckEveryMs } = session.guard;
  const stopped = new AbortController();
  let checkedAt = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const stop = (): void => {
    stopped.abort();
    clearTimeout(timer);
  };
  const look = async (): Promise<void> => {
    const isDue = recheckEveryMs > 0 && performance.now() - checkedAt >= recheckEveryMs;
    if (isDue) checkedAt = performance.now();
    const decisions = isDue
      ? await Promise.all(hops.map((hop) => decide(session, hop, { lookUp: true, flags: ["recheck"] })))
      : [await standing(session, hops[0])];
    if (stopped.signal.aborted) return;
    const denied = decisions.find((decision) => decision?.effect === "deny");
    if (!denied) {
      again();
      return;
    }
    stop();
    end(denied.denial);
  };
  const again = (): void => {
    timer = setTimeout(() => void look(), WATCH_EVERY_MS);
    // What is watched keeps the process alive, or does not.
    (timer as { unref?: () => void }).unref?.();
  };
  again();
  return stop;
}

const UNKNOWN: Hop = { kind: "unknown", action: "unknown" };

/** Nothing, or the denial. It is recorded only then. */
function standing(session: SessionContext, hop: Hop | undefined): Promise<DenyDecision | undefined> {
  const evaluation = newEvaluation(describeHop(hop ?? UNKNOWN), ["recheck"]);
  return attempt<undefined>(session, evaluation, undefined, async (enter) => {
    enter("identity");
    const identified = await within(session.guard.timeoutMs, "identity", session.identify());
    evaluation.checked = identified.checked;
    enter("revocation");
    await refuseRevoked(session, identified);
    return undefined;
  });
}
