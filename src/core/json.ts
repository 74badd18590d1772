/** What JSON can hold, and nothing else. Everything that is checked, sent and hashed is of this type, and frozen. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
/** An object of JSON. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** The largest JSON that is looked at. */
export interface JsonLimits {
  /** Levels of nesting. Default 64: the PDP's clients give up at 100. */
  readonly maxDepth?: number;
  /** Characters of JSON text. Default 1,048,576: the PDP refuses requests over 4 MiB. */
  readonly maxLength?: number;
  /** Values, each item and each member one. Default 1,000,000: what is short but holds millions of them takes seconds to read. */
  readonly maxValues?: number;
}

export const DEFAULT_MAX_DEPTH = 64;
export const DEFAULT_MAX_LENGTH = 1_048_576;
const DEFAULT_MAX_VALUES = 1_000_000;

/** JSON that is refused. The message says what is wrong and where, and never echoes a value. */
export class InvalidJsonError extends Error {
  override readonly name = "InvalidJsonError";
}

/**
 * Reads a value once, the way `JSON.stringify` would put it on the wire, and returns a frozen copy: getters, `toJSON` and proxies
 * are asked a single time, `undefined` members are left out, and whatever happens to the original later changes nothing.
 *
 * @throws {InvalidJsonError} for what JSON cannot hold (functions, cycles, bigint), ill-formed Unicode, `__proto__`, or a limit.
 */
export function snapshot(value: unknown, limits: JsonLimits = {}): JsonValue {
  let text: unknown;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new InvalidJsonError("cannot be represented as JSON", { cause: error });
  }
  if (typeof text !== "string") throw new InvalidJsonError("cannot be represented as JSON");
  checkLength(text, limits);
  return freezeJson(JSON.parse(text) as JsonValue, limits);
}

export function checkLength(text: string, { maxLength = DEFAULT_MAX_LENGTH }: JsonLimits): void {
  if (text.length > maxLength) throw new InvalidJsonError(`is longer than ${maxLength} characters of JSON`);
}

/** Freezes a freshly parsed value in place, and refuses what no two readers are sure to read alike. */
export function freezeJson<T extends JsonValue>(
  root: T,
  { maxDepth = DEFAULT_MAX_DEPTH, maxValues = DEFAULT_MAX_VALUES }: JsonLimits = {},
): T {
  let values = 0;
  const visit = (value: JsonValue, depth: number): void => {
    if (++values > maxValues) throw new InvalidJsonError(`holds more than ${maxValues} values`);
    if (typeof value === "string") checkString(value);
    if (typeof value !== "object" || value === null) return;
    if (depth > maxDepth) throw new InvalidJsonError(`is nested more than ${maxDepth} levels deep`);
    if (Array.isArray(value)) {
      for (const item of value as readonly JsonValue[]) visit(item, depth + 1);
    } else {
      for (const key of Object.keys(value)) {
        checkKey(key);
        visit((value as JsonObject)[key] as JsonValue, depth + 1);
      }
    }
    Object.freeze(value);
  };
  visit(root, 1);
  return root;
}

/** A lone surrogate makes the PDP refuse the whole batch that it stands in, and other readers replace it. */
function checkString(text: string): void {
  if (!text.isWellFormed()) throw new InvalidJsonError("holds ill-formed Unicode");
}

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

function checkKey(key: string): void {
  if (key === "__proto__") throw new InvalidJsonError('holds a member named "__proto__"');
  if (CONTROL.test(key)) throw new InvalidJsonError("holds a member name with control characters");
  checkString(key);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
