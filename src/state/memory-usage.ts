import type { Usage, UsageAccount } from "../core/ports";

export interface MemoryUsage {
  /** Adds to each account, and answers with the new sums. */
  add(accounts: readonly UsageAccount[], amounts: Usage): readonly Usage[];
  read(accounts: readonly UsageAccount[]): readonly Usage[];
}

const NOTHING: Usage = { calls: 0, input_tokens: 0, output_tokens: 0, reasoning_tokens: 0, cost_micros: 0 };
/** Windows that have passed are looked for when this many sums have been added since. */
const SWEEP_AFTER = 1000;

/** Sums in memory. Those of windows that have passed are forgotten. */
export function memoryUsage(): MemoryUsage {
  const sums = new Map<string, { readonly sum: Usage; readonly expiresAt: number }>();
  let added = 0;
  const key = ({ scope, id, window, index }: UsageAccount): string =>
    JSON.stringify([scope, id, window, index]);
  const sweep = (): void => {
    added = 0;
    const now = Date.now();
    for (const [key, { expiresAt }] of sums) if (expiresAt < now) sums.delete(key);
  };
  return {
    add: (accounts, amounts) =>
      accounts.map((account) => {
        const before = sums.get(key(account));
        if (!before && ++added > SWEEP_AFTER) sweep();
        const sum = plus(before?.sum ?? NOTHING, amounts);
        sums.set(key(account), { sum, expiresAt: account.expiresAt ?? Infinity });
        return sum;
      }),
    read: (accounts) => accounts.map((account) => sums.get(key(account))?.sum ?? NOTHING),
  };
}

function plus(a: Usage, b: Usage): Usage {
  return {
    calls: a.calls + b.calls,
    input_tokens: a.input_tokens + b.input_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    reasoning_tokens: a.reasoning_tokens + b.reasoning_tokens,
    cost_micros: a.cost_micros + b.cost_micros,
  };
}
