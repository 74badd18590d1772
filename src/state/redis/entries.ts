import * as z from "zod";
import type { Revocation } from "../../core/ports";
import { instant } from "../revoked-entries";

/**
 * A revocation as it is kept. Beside its text stand the instants that scripts compare, in milliseconds since 1970; the text is a string within JSON,
 * because an id may hold what Lua's reader refuses.
 */
const entry = z.strictObject({
  text: z.string(),
  issued_before: z.string().exactOptional(),
  till: z.string().exactOptional(),
});
const revocation = z.looseObject({ target: z.looseObject({}), at: z.string() });

/** @throws {RangeError} for an instant that is none. */
export function entryOf({ issued_before, expires_at, ...rest }: Revocation): z.output<typeof entry> {
  return {
    text: JSON.stringify(rest),
    ...(issued_before !== undefined && { issued_before: String(instant(issued_before)) }),
    ...(expires_at !== undefined && { till: String(instant(expires_at)) }),
  };
}

/** @throws when this store has never written that. */
export function readEntry(json: string): Revocation {
  const { text, issued_before, till } = entry.parse(JSON.parse(json));
  return {
    ...revocation.parse(JSON.parse(text)),
    ...(till !== undefined && { expires_at: iso(till) }),
    ...(issued_before !== undefined && { issued_before: iso(issued_before) }),
  };
}

const iso = (ms: string): string => new Date(Number(ms)).toISOString();
