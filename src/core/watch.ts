import { attempt, type Stage } from "./attempt";
import type { CheckOptions, SessionContext } from "./context";
import { within } from "./deadline";
import type { Decision, DenyDecision } from "./decision";
import type { Denial } from "./denial";
import { newEvaluation, type Evaluation } from "./evaluation";
import { describeHop, type Hop } from "./hop";
import type { Identified } from "./identification";
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
  options: Pick<CheckOptions, "content"> = {},
): () => void {
  const { recheckEveryMs } = session.guard;
  let isOver = false;
  const timers = new Map<Look, ReturnType<typeof setTimeout>>();

  const stop = (): void => {
    isOver = true;
    for (const timer of timers.values()) clearTimeout(timer);
  };
  const every = (ms: number, look: Look): void => {
    const timer = setTimeout(() => void take(ms, look), ms);
    // What is watched keeps the process alive, or does not.
    (timer as { unref?: () => void }).unref?.();
    timers.set(look, timer);
  };
  const take = async (ms: number, look: Look): Promise<void> => {
    const decisions = await look();
    if (isOver) return;
    const denied = decisions.find((decision) => decision?.effect === "deny");
    if (!denied) {
      every(ms, look);
      return;
    }
    stop();
    end(denied.denial);
  };
  // Side by side: neither a PDP nor a token that takes its time must keep a revocation waiting.
  every(WATCH_EVERY_MS, async () => [await standing(session, hops[0], prove)]);
  every(WATCH_EVERY_MS, async () => [await standing(session, hops[0], findRevocation)]);
  const asItStands = { ...options, lookUp: true, isUnderWay: true, flags: ["recheck"] } as const;
  if (recheckEveryMs > 0)
    every(recheckEveryMs, () => Promise.all(hops.map((hop) => decide(session, hop, asItStands))));
  return stop;
}

type Look = () => Promise<readonly (Decision | undefined)[]>;

const UNKNOWN: Hop = { kind: "unknown", action: "unknown" };

type Enter = (stage: Stage) => void;
type Stages = (session: SessionContext, evaluation: Evaluation, enter: Enter) => Promise<unknown>;

/** Nothing, or the denial. It is recorded only then. */
function standing(
  session: SessionContext,
  hop: Hop | undefined,
  stages: Stages,
): Promise<DenyDecision | undefined> {
  const evaluation = newEvaluation(describeHop(hop ?? UNKNOWN), ["recheck"]);
  return attempt<undefined>(session, evaluation, undefined, async (enter) => {
    await stages(session, evaluation, enter);
    return undefined;
  });
}

async function prove(session: SessionContext, evaluation: Evaluation, enter: Enter): Promise<Identified> {
  enter("identity");
  const identified = await within(session.guard.timeoutMs, "identity", session.identify());
  evaluation.checked = identified.checked;
  return identified;
}

/** Of whoever was proven last: the other look proves it anew. */
async function findRevocation(session: SessionContext, evaluation: Evaluation, enter: Enter): Promise<void> {
  const identified = session.known() ?? (await prove(session, evaluation, enter));
  evaluation.checked = identified.checked;
  enter("revocation");
  await refuseRevoked(session, identified);
}
