import * as z from "zod";
import type { Revocation, SessionFacts, Usage } from "../../core/ports";
import { readEntry } from "./entries";
import { AMOUNTS, UNREGISTERED } from "./scripts";

const maybe = z.string().nullable();
const standing = z.tuple([
  maybe,
  z.tuple([maybe, maybe, maybe]),
  z.array(z.string()),
  z.array(z.string()),
  z.array(z.array(maybe).length(AMOUNTS.length)),
]);

/** What the scripts that count answer with. */
export interface Counts {
  readonly revocation: Revocation | undefined;
  /** Without `started_at` nothing was counted so far. */
  readonly session: Omit<SessionFacts, "id" | "started_at"> & { readonly started_at: string | null };
  readonly usage: readonly Usage[];
}

/** @throws when this store has never written that: what cannot be read denies. */
export function readCounts(reply: unknown, task: string | undefined): Counts {
  const [revocation, [started_at, steps, denials], attempts, calls, sums] = standing.parse(reply);
  return {
    revocation: readRevocation(revocation, task),
    session: {
      started_at,
      steps: number(steps),
      attempts: numbersByAction(attempts),
      calls: numbersByAction(calls),
      denials: number(denials),
    },
    usage: sums.map(readUsage),
  };
}

/** @throws when this store has never written that. */
export function readRevocation(reply: unknown, task: string | undefined): Revocation | undefined {
  const text = maybe.parse(reply);
  if (text === null) return undefined;
  if (text !== UNREGISTERED) return readEntry(text);
  return {
    target: { task: task ?? "" },
    reason: "the task is not registered",
    at: new Date().toISOString(),
  };
}

/** @throws when this store has never written that. */
export const readRevocations = (reply: unknown): readonly (Revocation | undefined)[] =>
  z
    .array(z.string())
    .parse(reply)
    .map((text) => readRevocation(text, undefined));

/** In the order of {@link AMOUNTS}. */
function readUsage(sums: readonly (string | null)[]): Usage {
  const [calls = 0, input_tokens = 0, output_tokens = 0, reasoning_tokens = 0, cost_micros = 0] =
    sums.map(number);
  return { calls, input_tokens, output_tokens, reasoning_tokens, cost_micros };
}

/** A hash comes as names and values in turn. `fromEntries`, because an action may be named `__proto__`. */
const numbersByAction = (flat: readonly string[]): Record<string, number> =>
  Object.fromEntries(
    flat.flatMap((action, index) => (index % 2 === 0 ? [[action, number(flat[index + 1] ?? null)]] : [])),
  );

function number(text: string | null): number {
  const value = Number(text ?? 0);
  if (Number.isNaN(value)) throw new Error(`expected a number from Redis, and not ${JSON.stringify(text)}`);
  return value;
}
