import type { HopStanding, SessionCounter, Usage, UsageAccount } from "../../core/ports";
import type { RedisClient } from "./client";
import type { Keys } from "./keys";
import { readCounts, type Counts } from "./replies";
import { authorityInput } from "./revocations";
import { run, runWhole } from "./script";
import { AMOUNTS, scripts } from "./scripts";

/** For calls that are under way when the window of an account ends, and clocks that differ. */
const GRACE_MS = 60_000;

/** Counts one session, wherever its hops are made. Each of its methods is one round trip. */
export function redisSession(
  client: RedisClient,
  keys: Keys,
  { id, startedAt, ttlMs }: { readonly id: string; readonly startedAt: Date; readonly ttlMs: number },
): SessionCounter {
  const started_at = startedAt.toISOString();
  const own = [keys.revoked, keys.revokedUntil, keys.session(id), keys.attempts(id), keys.calls(id)];
  const keysWith = (accounts: readonly UsageAccount[]): string[] => [...own, ...accounts.map(keys.usage)];
  const standing = ({ session, usage, revocation }: Counts): HopStanding => ({
    session: { ...session, id, started_at: session.started_at ?? started_at },
    usage,
    ...(revocation && { revocation }),
  });

  return {
    async begin({ action, authority, reserve, accounts }) {
      const checked = authorityInput(authority, keys);
      const reply = await run(client, scripts.begin, [...keysWith(accounts), ...checked.keys], {
        ...checked.input,
        ...addition(accounts, reserve),
        action,
        started_at,
        session_ttl: ttlMs,
      });
      return standing(readCounts(reply, authority.task));
    },
    async settle({ action, outcome, correction, accounts }) {
      // Sent whole: were the digest not known, the text would follow behind a hop that is begun now, and that builds on this call.
      await runWhole(client, scripts.settle, keysWith(accounts), {
        ...addition(accounts, correction),
        action,
        outcome,
        session_ttl: ttlMs,
      });
    },
    async peek(accounts) {
      const input = { accounts: accounts.length };
      const reply = await run(client, scripts.peek, keysWith(accounts), input);
      return standing(readCounts(reply, undefined));
    },
  };
}

/** Lifetimes are relative: were they points in time, sums would vanish early where the clock of Redis is ahead of ours. */
function addition(accounts: readonly UsageAccount[], amounts: Usage) {
  const now = Date.now();
  return {
    accounts: accounts.length,
    ttls: accounts.map(({ expiresAt }) =>
      expiresAt === undefined ? false : Math.ceil(Math.max(expiresAt - now, 0)) + GRACE_MS,
    ),
    amounts: Object.fromEntries(
      AMOUNTS.map((name) => [name, exact(amounts[name])] as const).filter(([, amount]) => amount !== 0),
    ),
  };
}

/** @throws {RangeError} for what Redis could not add exactly. The hop is denied then, and nothing is counted. */
function exact(amount: number): number {
  if (Number.isSafeInteger(amount)) return amount;
  throw new RangeError(`expected a whole number below 2^53 to count, and not ${amount}`);
}
