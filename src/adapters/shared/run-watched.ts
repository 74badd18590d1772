import type { SettledOutcome } from "../../core/decision";
import { AuthorizationDeniedError, denialError } from "../../core/errors";
import type { JointAllow } from "./joint-decision";

/**
 * Runs a tool for as long as it may run. Where authority is withdrawn meanwhile the agent gets the denial at once, as a result here; the signal that the tool
 * was handed is aborted, and what it still does reaches nobody.
 */
export async function runWatched<T>(
  allowed: Pick<JointAllow, "settle" | "watch">,
  run: (withdrawn: AbortSignal) => T,
): Promise<Awaited<T> | AuthorizationDeniedError> {
  const controller = new AbortController();
  const { withdrawn, stopWatch } = watchOver(allowed, controller);
  try {
    const result = await Promise.race([run(controller.signal), withdrawn]);
    if (isGenerator(result)) return watchedSteps(result, allowed, controller) as Awaited<T>;
    allowed.settle(result instanceof AuthorizationDeniedError ? "unknown" : "done");
    return result;
  } catch (error) {
    allowed.settle("failed");
    throw error;
  } finally {
    stopWatch();
  }
}

/** A generator that has only been made has run nothing yet: it is watched over while it is asked for its steps, and ends with the denial's error. */
async function* watchedSteps(
  steps: AsyncGenerator<unknown, unknown>,
  allowed: Pick<JointAllow, "settle" | "watch">,
  controller: AbortController,
): AsyncGenerator<unknown, unknown> {
  const { withdrawn, stopWatch } = watchOver(allowed, controller);
  let outcome: SettledOutcome = "unknown";
  try {
    for (let said: unknown; ;) {
      const step = await Promise.race([steps.next(said), withdrawn]);
      if (step instanceof AuthorizationDeniedError) throw step;
      if (step.done) {
        outcome = "done";
        return step.value;
      }
      said = yield step.value;
    }
  } catch (error) {
    if (!controller.signal.aborted) outcome = "failed";
    throw error;
  } finally {
    stopWatch();
    allowed.settle(outcome);
    // Of whoever stops listening, too. Nobody waits for a tool that does not return.
    if (outcome === "unknown") steps.return(undefined).catch(() => undefined);
  }
}

function watchOver(allowed: Pick<JointAllow, "watch">, controller: AbortController) {
  let stopWatch = (): void => undefined;
  const withdrawn = new Promise<AuthorizationDeniedError>((resolve) => {
    stopWatch = allowed.watch((denial) => {
      const error = denialError(denial);
      controller.abort(error);
      resolve(error);
    });
  });
  return { withdrawn, stopWatch };
}

function isGenerator(value: unknown): value is AsyncGenerator<unknown, unknown> {
  return Object.prototype.toString.call(value) === "[object AsyncGenerator]";
}
