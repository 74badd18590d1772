/** Milliseconds of one run. */
export async function time(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

/** Several contenders in turn, A B C A B C …, so that a machine whose speed drifts is as slow for one as for the other. */
export async function interleaved<Name extends string>(
  rounds: number,
  contenders: Readonly<Record<Name, () => Promise<unknown>>>,
  warmUp = Math.ceil(rounds / 10),
): Promise<Readonly<Record<Name, readonly number[]>>> {
  const names = Object.keys(contenders) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -warmUp; round < rounds; round++) {
    for (const name of names) {
      const ms = await time(contenders[name]);
      if (round >= 0) times[name].push(ms);
    }
  }
  return times;
}

export function percentile(times: readonly number[], p: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? NaN;
}

export const median = (times: readonly number[]): number => percentile(times, 0.5);

export const round = (value: number, digits = 3): number => Number(value.toFixed(digits));
