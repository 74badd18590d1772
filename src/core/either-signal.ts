/**
 * Aborted with the first of two signals. Some edge runtimes have no `AbortSignal.any`.
 *
 * @param until lets go of both, for signals that outlive what they are asked about. Default: when one of them is aborted.
 */
export function eitherSignal(one: AbortSignal, other: AbortSignal, until?: AbortSignal): AbortSignal {
  const { any } = AbortSignal as { readonly any?: typeof AbortSignal.any };
  if (any) return any.call(AbortSignal, [one, other]);
  const either = new AbortController();
  for (const given of [one, other]) {
    const abort = (): void => {
      either.abort(given.reason);
    };
    if (given.aborted) abort();
    else given.addEventListener("abort", abort, { once: true, signal: until ?? either.signal });
  }
  return either.signal;
}
