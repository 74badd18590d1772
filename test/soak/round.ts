import { setTimeout as sleep } from "node:timers/promises";
import type { HopResult, HopWorker } from "../support/hop-workers";

/** What one round has shown. */
export interface Round {
  readonly ms: number;
  /** Tokens that the limited task might use, and has used. */
  readonly limit: number;
  readonly used: number;
  /** Hops of the revoked task that began after `revoke` had resolved. */
  readonly afterRevocation: readonly HopResult[];
  /** All hops, by process. */
  readonly ofWorkers: readonly (readonly HopResult[])[];
}

const TOKENS = 20;

/** Two tasks that every process works on at once: one with too small a limit, and one that is revoked meanwhile. */
export async function playRound(
  workers: readonly HopWorker[],
  options: {
    readonly name: string;
    readonly hopsEach: number;
    readonly atOnce: number;
    readonly revokeAfterMs: number;
  },
): Promise<Round> {
  const { name, hopsEach, atOnce, revokeAfterMs } = options;
  const order = { count: hopsEach, atOnce, tokens: TOKENS, used: "part" } as const;
  // On the average a hop uses half of what it reserves: there is enough for half of the hops.
  const limit = Math.ceil((workers.length * hopsEach * TOKENS) / 4);
  const started = performance.now();

  const revoke = async (): Promise<number> => {
    await sleep(revokeAfterMs);
    const [worker] = workers.toSorted(() => Math.random() - 0.5);
    if (!worker) throw new Error("there is no process");
    return worker.revoke(`revoked-${name}`);
  };
  const [limited, revoked, revokedAt] = await Promise.all([
    Promise.all(workers.map((worker) => worker.hops({ ...order, task: `limited-${name}`, limit }))),
    Promise.all(workers.map((worker) => worker.hops({ ...order, task: `revoked-${name}`, limit: 1e12 }))),
    revoke(),
  ]);
  return {
    ms: performance.now() - started,
    limit,
    used: limited.flat().reduce((sum, { tokens }) => sum + tokens, 0),
    afterRevocation: revoked.flat().filter(({ startedAt }) => startedAt > revokedAt),
    ofWorkers: workers.map((_, index) => [...(limited[index] ?? []), ...(revoked[index] ?? [])]),
  };
}
