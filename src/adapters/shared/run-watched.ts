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
  let stopWatch = (): void => undefined;
  const withdrawn = new Promise<AuthorizationDeniedError>((resolve) => {
    stopWatch = allowed.watch((denial) => {
      const error = denialError(denial);
      controller.abort(error);
      resolve(error);
    });
  });
  try {
    const result = await Promise.race([run(controller.signal), withdrawn]);
    allowed.settle(result instanceof AuthorizationDeniedError ? "unknown" : "done");
    return result;
  } catch (error) {
    allowed.settle("failed");
    throw error;
  } finally {
    stopWatch();
  }
}
