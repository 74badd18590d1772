import { readStrictJson } from "../core/strict-json-body";
import type { JsonValue } from "../index";

/**
 * Asks for a public document of an issuer. Only a 200 with JSON that has one reading is an answer. Redirects are not followed: where keys come from
 * is what the operator has said, and not what a server says.
 */
export async function fetchDocument(
  url: string,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
): Promise<JsonValue> {
  const headers = { accept: "application/json, application/jwk-set+json" };
  const response = await fetch(url, { headers, redirect: "manual", signal });
  if (response.status !== 200) throw new Error(`${withoutQuery(url)} answered ${response.status}`);
  return readStrictJson(response.body);
}

/** An address as messages say it, which go to the audit trail: some take a key to an API in the query. */
export function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}
