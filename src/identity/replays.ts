import type { MaybePromise } from "../index";

/** Remembers what may be used once. Processes that verify the same tokens need one that they share, such as `SET … NX PXAT` of a Redis. */
export interface Replays {
  /**
   * Whether nobody has used this id before; from then on it is used, until `expiresAt` in milliseconds since 1970. One atomic step. A rejection
   * refuses the token.
   */
  claim(id: string, expiresAt: number): MaybePromise<boolean>;
  /** What it was to be used for has not happened: it may be used again. */
  release(id: string): void | Promise<void>;
}

/** Expired ids are looked for when this many are kept, and then when twice as many as were left. */
const SWEEP_AT = 1000;

/** Remembers in this process's memory, and only for as long as a token could be used again. */
export function memoryReplays(clock: () => Date): Replays {
  const used = new Map<string, number>();
  let sweepAt = SWEEP_AT;
  return {
    claim(id, expiresAt) {
      const now = clock().getTime();
      if ((used.get(id) ?? 0) > now) return false;
      if (used.size >= sweepAt) {
        for (const [id, expiresAt] of used) if (expiresAt <= now) used.delete(id);
        sweepAt = Math.max(SWEEP_AT, 2 * used.size);
      }
      used.set(id, expiresAt);
      return true;
    },
    release(id) {
      used.delete(id);
    },
  };
}
