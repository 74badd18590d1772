/** The longest sentence that an agent gets to read, in characters. */
export const MAX_REASON_LENGTH = 300;

/** Tag characters and variation selectors among them: text that models read and people do not see. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]+/gu;

/**
 * Text that may be shown to an agent or a person: control, bidirectional and invisible characters become a space (a policy's output
 * may echo arguments, and arguments may hold terminal escapes), and it is cut at a length.
 */
export function cleanText(text: string, maxLength: number = MAX_REASON_LENGTH): string {
  const clean = text.toWellFormed().replace(UNPRINTABLE, " ").replace(/ {2,}/g, " ").trim();
  if (clean.length <= maxLength) return clean;
  return `${clean.slice(0, maxLength - 1).toWellFormed()}…`;
}

/** Whether what is percent-encoded in a text is UTF-8. */
export function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
