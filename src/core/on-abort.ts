interface Waiting {
  readonly acts: Set<() => void>;
  readonly listener: () => void;
}

/** Of each signal, what is to happen when it is aborted: one listener, however many wait. */
const waiting = new WeakMap<AbortSignal, Waiting>();

/**
 * Acts once when a signal is aborted. Many calls share a signal, and Node warns of a leak from the eleventh listener on; taking one off again also costs a
 * tenth of what `addEventListener` with a signal of its own does. Returns what lets go of the signal. The last who does takes the listener off: Node
 * keeps what `AbortSignal.any` made, and all that hangs on it, for as long as somebody listens.
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (!signal) return () => undefined;
  const { acts, listener } = waiting.get(signal) ?? listen(signal);
  // The same function may wait twice, each time for itself.
  const own = (): void => act();
  acts.add(own);
  return () => {
    if (!acts.delete(own) || acts.size > 0) return;
    signal.removeEventListener("abort", listener);
    waiting.delete(signal);
  };
}

function listen(signal: AbortSignal): Waiting {
  const acts = new Set<() => void>();
  const made = { acts, listener: () => acts.forEach((each) => each()) };
  signal.addEventListener("abort", made.listener, { once: true });
  waiting.set(signal, made);
  return made;
}
