/** The longest sentence that an agent gets to read, in characters. */
export const MAX_REASON_LENGTH = 300;

const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+/g;

/**
 * Text that may be shown to an agent or a person: control, bidirectional and invisible characters become a space (a policy's output
 * may echo arguments, and arguments may hold terminal escapes), and it is cut at a length.
 */
export function cleanText(text: string, maxLength: number = MAX_REASON_LENGTH): string {
  const clean = text.toWellFormed().replace(UNPRINTABLE, " ").replace(/ {2,}/g, " ").trim();
  if (clean.length <= maxLength) return clean;
  return `${clean.slice(0, maxLength - 1).toWellFormed()}…`;
}
