import type { Revocation, RevocationTarget } from "../core/ports";

/**
 * Where a revocation stands. One of everything and one of what was issued before an instant stand side by side, so that neither takes the place
 * of the other. Written as JSON, which has an end: no id can be chosen so that it is taken for another's.
 */
export const fieldOf = ({ target, issued_before }: Revocation): string =>
  JSON.stringify([...nameOf(target), ...(issued_before === undefined ? [] : [ISSUED_BEFORE])]);

/** Every place where a revocation of this target may stand. */
export function fieldsOf(target: RevocationTarget): readonly [string, string] {
  const name = nameOf(target);
  return [JSON.stringify(name), JSON.stringify([...name, ISSUED_BEFORE])];
}

const ISSUED_BEFORE = "issued_before";
const nameOf = (target: RevocationTarget): readonly string[] => Object.entries(target)[0] ?? [];

/**
 * In milliseconds since 1970.
 *
 * @throws {RangeError} for what is no point in time: compared to it, nothing would be revoked.
 */
export function instant(date: string): number {
  const ms = Date.parse(date);
  if (Number.isNaN(ms)) throw new RangeError("expected a date as in ISO 8601");
  return ms;
}
