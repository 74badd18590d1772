import * as z from "zod";
import { aFunction } from "../core/option-types";

/** How keys are had and kept, and what time it is: the same for every kind of token. */
export interface KeyOptions {
  /**
   * Milliseconds for which keys are used when they cannot be had anew; from then on every token is refused. Default 600000, or for a SPIFFE bundle
   * twice its refresh hint.
   */
  readonly keysMaxAgeMs?: number;
  /** Milliseconds between two loads of keys that tokens with unknown keys can cause. Default 30000. */
  readonly cooldownMs?: number;
  /** Milliseconds that loading keys may take. Default 5000. The hop that waits for them is denied after the guard's own `timeoutMs`. */
  readonly timeoutMs?: number;
  /** Milliseconds by which `iat` and `nbf` may lie in the future, because clocks differ. `exp` has no such grace. Default 5000. */
  readonly clockToleranceMs?: number;
  /** Default the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** The time of day. Default `() => new Date()`. */
  readonly clock?: () => Date;
}

export const keyOptions = {
  keysMaxAgeMs: z.int().positive().max(86_400_000).optional(),
  cooldownMs: z.int().nonnegative().max(3_600_000).default(30_000),
  timeoutMs: z.int().positive().max(60_000).default(5000),
  clockToleranceMs: z.int().nonnegative().max(300_000).default(5000),
  fetch: aFunction<typeof fetch>().optional(),
  clock: aFunction<() => Date>().default(() => () => new Date()),
};

export const audience = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .transform((given): readonly string[] => [given].flat());
