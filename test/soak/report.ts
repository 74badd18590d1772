import type { HopResult } from "../support/hop-workers";
import type { Round } from "./round";

const EXPECTED = ["allow", "policy_denied", "revoked"];

/** Prints what has happened. Returns whether everything that was promised was kept, and put to the test. */
export function report(
  rounds: readonly Round[],
  ofWorkers: readonly (readonly HopResult[])[],
  ms: number,
): boolean {
  const row = (...cells: readonly (string | number)[]): void =>
    console.log(cells.map((cell) => String(cell).padStart(13)).join(""));
  row("process", "hops", "allowed", "over limit", "revoked", "other", "p50 ms", "p99 ms");
  ofWorkers.forEach((results, index) => row(index + 1, ...summary(results)));
  const all = ofWorkers.flat();
  row("all", ...summary(all));

  const sum = (of: (round: Round) => number): number => rounds.reduce((total, round) => total + of(round), 0);
  const overspend = sum(({ used, limit }) => Math.max(0, used - limit));
  const after = rounds.flatMap(({ afterRevocation }) => afterRevocation);
  const late = counted(after, "allow");
  const others = all.filter(({ code }) => !EXPECTED.includes(code));
  console.log(`
${rounds.length} rounds in ${(ms / 1000).toFixed(1)} s, ${Math.round((all.length / ms) * 1000)} hops a second
tokens used by limited tasks:    ${sum(({ used }) => used)} of ${sum(({ limit }) => limit)}
overspend:                       ${overspend}
hops after a revocation:         ${after.length}, of which allowed: ${late}`);
  if (others.length > 0) console.log(`denied for other reasons:        ${codesOf(others)}`);

  const isKept = overspend === 0 && late === 0;
  const isTested = EXPECTED.every((code) => counted(all, code) > 0) && after.length > 0;
  if (!isTested) console.log("It proved nothing: no hop was allowed, or over its limit, or revoked.");
  return isKept && isTested;
}

function summary(results: readonly HopResult[]): readonly (string | number)[] {
  const times = results.map(({ ms }) => ms).sort((a, b) => a - b);
  const percentile = (p: number): string => (times[Math.floor((times.length - 1) * p)] ?? 0).toFixed(2);
  const expected = EXPECTED.map((code) => counted(results, code));
  const other = results.length - expected.reduce((total, count) => total + count, 0);
  return [results.length, ...expected, other, percentile(0.5), percentile(0.99)];
}

const counted = (results: readonly HopResult[], wanted: string): number =>
  results.filter(({ code }) => code === wanted).length;

const codesOf = (results: readonly HopResult[]): string =>
  [...new Set(results.map(({ code }) => code))].map((code) => `${counted(results, code)} ${code}`).join(", ");
