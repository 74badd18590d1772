import { randomUUID } from "node:crypto";

/** A JSON object, or a value read as one. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A fresh id as the providers write them, such as `chatcmpl-9f…`. */
export function newId(prefix: string): string {
  return prefix + randomUUID().replaceAll("-", "").slice(0, 24);
}

/** Seconds since 1970, OpenAI's clock. */
export function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** About as many tokens as a tokenizer would find: one for four characters. */
export function countTokens(value: unknown): number {
  const text = typeof value === "string" ? value : (JSON.stringify(value) as string | undefined);
  return Math.ceil((text?.length ?? 0) / 4);
}

/** Narrows to a JSON object; a list is none. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value as a list of objects; other elements are left out. */
export function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** The value if it is a string, else the fallback. */
export function stringOr<Fallback>(value: unknown, fallback: Fallback): string | Fallback {
  return typeof value === "string" ? value : fallback;
}

/** The text of a message's content, which is a string or a list of parts. */
export function textOf(content: unknown): string {
  return typeof content === "string"
    ? content
    : objectsIn(content)
        .map((part) => stringOr(part.text, ""))
        .join("");
}
