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
    const followed = follow(result, (steps) => watchedSteps(steps, allowed, controller));
    if (followed) return followed as Awaited<T>;
    allowed.settle(result instanceof AuthorizationDeniedError ? "unknown" : "done");
    return result;
  } catch (error) {
    allowed.settle("failed");
    throw error;
  } finally {
    stopWatch();
  }
}

/**
 * Passes on what a tool yields for as long as it may run. Where authority is withdrawn meanwhile, the next that is asked for is the denial's error; the
 * tool's signal is aborted, and the tool is told to return.
 *
 * @throws {AuthorizationDeniedError} then; what the tool itself throws.
 */
export async function* runStreamed(
  allowed: Pick<JointAllow, "settle" | "watch">,
  run: (withdrawn: AbortSignal) => AsyncIterable<unknown>,
): AsyncGenerator<unknown, unknown> {
  const controller = new AbortController();
  let steps: Steps;
  try {
    steps = run(controller.signal)[Symbol.asyncIterator]();
  } catch (error) {
    allowed.settle("failed");
    throw error;
  }
  return yield* watchedSteps(steps, allowed, controller);
}

/** What gives a result in parts. A stream's reader fits, too. */
type Steps = Pick<AsyncIterator<unknown, unknown>, "next" | "return">;
type Watched = (steps: Steps) => AsyncGenerator<unknown, unknown>;

/** A result that is not over when the tool has returned it: the same, watched. `undefined` for any other. */
function follow(result: unknown, watched: Watched): unknown {
  if (result instanceof ReadableStream) return result.locked ? undefined : watchedStream(result, watched);
  if (!isAsyncIterable(result)) return undefined;
  if (Object.prototype.toString.call(result) === "[object AsyncGenerator]") {
    return watched(result as AsyncGenerator);
  }
  return new Proxy(result, {
    get(target, name) {
      if (name === Symbol.asyncIterator) return () => watched(target[Symbol.asyncIterator]());
      const value: unknown = Reflect.get(target, name, target);
      // Methods run on what was given: what is private to it is in no proxy.
      return typeof value === "function" && name !== "constructor" ? (value.bind(target) as unknown) : value;
    },
  });
}

function watchedStream(stream: ReadableStream<unknown>, watched: Watched): ReadableStream<unknown> {
  const reader = stream.getReader();
  const cancel = (reason?: unknown) => reader.cancel(reason);
  const steps = watched({
    next: () => reader.read(),
    return: async () => {
      await cancel();
      return { done: true, value: undefined };
    },
  });
  return new ReadableStream({
    async pull(controller) {
      const step = await steps.next();
      if (step.done) controller.close();
      else controller.enqueue(step.value);
    },
    async cancel(reason) {
      steps.return(undefined).catch(() => undefined);
      await cancel(reason);
    },
  });
}

/** A generator that has only been made has run nothing yet: it is watched over while it is asked for its steps, and ends with the denial's error. */
async function* watchedSteps(
  steps: Steps,
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
    if (outcome === "unknown") steps.return?.(undefined).catch(() => undefined);
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

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> & object {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
