import { eitherSignal } from "./either-signal";

/**
 * Settles as the promise does, or rejects once the deadline (milliseconds) has passed. The timer never keeps a process alive. What is there
 * already needs no timer: a check passes here seven times, mostly with state in memory.
 */
export function within<T>(ms: number, what: string, work: T | Promise<T>): T | Promise<T> {
  const isThere = typeof (work as { then?: unknown } | null | undefined)?.then !== "function";
  return isThere ? work : settledWithin(ms, what, work);
}

async function settledWithin<T>(ms: number, what: string, work: T | Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms} ms`)), ms);
    (timer as { unref?: () => void }).unref?.();
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a hook of the user's own under a deadline; the signal tells the hook to give up. */
export async function callWithin<T>(
  ms: number,
  what: string,
  parent: AbortSignal | undefined,
  hook: (signal: AbortSignal) => T | Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const signal = parent ? eitherSignal(parent, controller.signal) : controller.signal;
  try {
    return await within(ms, what, hook(signal));
  } finally {
    controller.abort(OVER);
  }
}

/** A reason of one's own spares the making of an error with its stack. */
const OVER = "The time for this is over.";
