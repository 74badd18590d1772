import fc from "fast-check";

/** What each property gets of all runs. */
const SHARES = {
  openai: 0.21,
  anthropic: 0.15,
  answers: 0.1,
  batches: 0.08,
  mcp: 0.21,
  tools: 0.13,
  check: 0.12,
};

export type Subject = keyof typeof SHARES;

/** Below this, chance may leave kinds of requests out, and the report is no proof of coverage. */
export const ENOUGH_RUNS = 10_000;

const number = (name: string, otherwise: number): number => {
  const given = process.env[name];
  const value = given === undefined || given === "" ? otherwise : Number(given);
  if (!Number.isSafeInteger(value)) throw new Error(`${name}: expected an integer`);
  return value;
};

export const TOTAL_RUNS = number("HOPGUARD_FUZZ_RUNS", 11_000);
export const SEED = number("HOPGUARD_FUZZ_SEED", Math.trunc(Math.random() * 0x7fffffff));

/**
 * Where a failed run is found again. The same seed with as many runs makes the same requests and answers; only their timing is the machine's.
 */
export const REPRODUCE = `HOPGUARD_FUZZ_SEED=${SEED} HOPGUARD_FUZZ_RUNS=${TOTAL_RUNS} npx vitest run test/fuzz`;

export function runsOf(subject: Subject): number {
  return Math.ceil(TOTAL_RUNS * SHARES[subject]);
}

/** `HOPGUARD_FUZZ_SHRINK=0` ends at the first failure, as it was found. */
export function configureRuns(): void {
  fc.configureGlobal({ seed: SEED, endOnFailure: process.env.HOPGUARD_FUZZ_SHRINK === "0" });
}
