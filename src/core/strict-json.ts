import {
  checkLength,
  freezeJson,
  InvalidJsonError,
  isJsonObject,
  type JsonLimits,
  type JsonValue,
} from "./json";

export interface StrictJsonOptions extends JsonLimits {
  /**
   * Levels from the top at which two members may not differ only in case, because some readers (Go's, for one) match them
   * without regard to it. Default 1: the envelope itself.
   */
  readonly foldedLevels?: number;
  /** Whether a number may be one that a double rounds: for text of which no number decides anything. Default: refused. */
  readonly roundedNumbers?: boolean;
}

/** Apart, because one expression for both exhausts its stack on a string with megabytes of escapes. */
const ESCAPE = /\\./g;
const STRING = /"[^"]*"/g;
const NUMBER = /-?\d[\d.eE+-]*/g;

/**
 * Parses JSON text that two readers cannot read differently: no duplicate members, no numbers that change in a double, no
 * ill-formed Unicode, nothing too deep or too large. The result is frozen.
 *
 * `JSON.parse` does the parsing; the text is then held against the result. A duplicate member is a colon outside of strings that no
 * member of the parsed value accounts for.
 *
 * @throws {InvalidJsonError} without echoing any of the text.
 */
export function parseStrictJson(text: string, options: StrictJsonOptions = {}): JsonValue {
  checkLength(text, options);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    throw new InvalidJsonError("is not JSON");
  }
  freezeJson(value, options);
  const skeleton = text.replace(ESCAPE, "").replace(STRING, "");
  if (occurrences(skeleton, ":") !== countMembers(value)) throw new InvalidJsonError("holds a member twice");
  for (const [token] of options.roundedNumbers ? [] : skeleton.matchAll(NUMBER)) {
    if (!survivesDouble(token)) throw new InvalidJsonError("holds a number that does not fit a double");
  }
  refuseKeysAlikeButForCase(value, options.foldedLevels ?? 1);
  return value;
}

function occurrences(text: string, character: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) count++;
  return count;
}

function countMembers(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 0;
  const children: readonly JsonValue[] = Array.isArray(value)
    ? (value as readonly JsonValue[])
    : Object.values(value);
  return children.reduce<number>(
    (sum, child) => sum + countMembers(child),
    isJsonObject(value) ? children.length : 0,
  );
}

/** Whether a number's decimal value is the one that a double prints again: 1.10 and 0.30000000000000004 are, 2^53 + 1 is not. */
function survivesDouble(token: string): boolean {
  const value = Number(token);
  return Number.isFinite(value) && canonicalDecimal(token) === canonicalDecimal(String(value));
}

/** Digits and exponent without leading and trailing zeros: "1.50e3" and "1500" are both "15e3". */
function canonicalDecimal(token: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(token) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  // By hand: /0+$/ takes seconds for a hundred thousand zeros with another digit behind them.
  let end = digits.length;
  while (digits[end - 1] === "0") end--;
  const significant = digits.slice(0, end);
  if (significant === "") return "0";
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

function refuseKeysAlikeButForCase(value: JsonValue, levels: number): void {
  if (levels <= 0 || typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) refuseKeysAlikeButForCase(item, levels);
    return;
  }
  const seen = new Set<string>();
  for (const [key, member] of Object.entries(value)) {
    // Upper case first: to Go, "param\u017f" (a long s) is "params", and only upper case brings the two together.
    const folded = key.toUpperCase().toLowerCase();
    if (seen.has(folded)) throw new InvalidJsonError("holds members whose names differ only in case");
    seen.add(folded);
    refuseKeysAlikeButForCase(member, levels - 1);
  }
}
