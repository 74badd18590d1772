/**
 * What a handler answers, unless the signal is aborted first: a handler need not look at the signal. An answer that comes too late is thrown away.
 *
 * @throws the signal's reason; what the handler throws.
 */
export async function untilAborted(
  answer: () => Promise<Response>,
  signal: AbortSignal | undefined,
): Promise<Response> {
  if (!signal) return answer();
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => {
      // An abort's reason is whatever its author says.
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
      reject(signal.reason);
    };
    signal.addEventListener("abort", stop, { once: true });
  });
  const answered = answer();
  try {
    return await Promise.race([answered, aborted]);
  } catch (error) {
    answered.then(({ body }) => body?.cancel(error)).catch(() => undefined);
    throw error;
  } finally {
    if (stop) signal.removeEventListener("abort", stop);
  }
}
