import { denialError } from "../../core/errors";
import type { JointAllow } from "../shared/joint-decision";

/**
 * Passes on what a tool yields for as long as it may run. Where authority is withdrawn meanwhile, the next that is asked for is the denial's error; the
 * tool's signal is aborted, and the tool is told to return.
 *
 * @throws {AuthorizationDeniedError} then; what the tool itself throws.
 */
export async function* runStreamed(
  allowed: JointAllow,
  run: (withdrawn: AbortSignal) => AsyncIterable<unknown>,
): AsyncGenerator<unknown, void> {
  const controller = new AbortController();
  let stopWatch = (): void => undefined;
  const withdrawn = new Promise<never>((_resolve, reject) => {
    stopWatch = allowed.watch((denial) => {
      const error = denialError(denial);
      controller.abort(error);
      reject(error);
    });
  });
  withdrawn.catch(() => undefined);
  const steps = run(controller.signal)[Symbol.asyncIterator]();
  let outcome: "done" | "failed" | "unknown" = "unknown";
  try {
    for (;;) {
      const step = await Promise.race([steps.next(), withdrawn]);
      if (step.done) break;
      yield step.value;
    }
    outcome = "done";
  } catch (error) {
    if (!controller.signal.aborted) outcome = "failed";
    throw error;
  } finally {
    stopWatch();
    allowed.settle(outcome);
    // Of whoever stops listening, too. Nobody waits for a tool that does not return.
    if (outcome === "unknown") void steps.return?.().catch(() => undefined);
  }
}
