import { readStrictJson } from "../core/strict-json-body";
import type { JsonValue } from "../index";

/** How a service is asked for JSON. */
export interface JsonRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly fetch: typeof fetch;
  /** In characters. */
  readonly maxLength: number;
}

/**
 * Asks a service for JSON. Only a 200 with JSON that has one reading is an answer; redirects are not followed, because they would take the
 * credentials with them.
 */
export async function fetchJson(
  url: string,
  { headers, signal, fetch, maxLength }: JsonRequest,
): Promise<JsonValue> {
  const response = await fetch(url, {
    headers: sendable({ accept: "application/json", ...headers }),
    redirect: "manual",
    signal,
  });
  if (response.status !== 200) throw new Error(`the service answered ${response.status}`);
  return readStrictJson(response.body, { maxLength });
}

/** The runtime's own error would say the credential, and go to the audit trail. */
function sendable(headers: Readonly<Record<string, string>>): Headers {
  try {
    return new Headers(headers);
  } catch {
    throw new Error("a header holds what cannot be sent");
  }
}

/** The longest answer, in characters, unless the operator says otherwise. */
export const DEFAULT_MAX_LENGTH = 65_536;
