/**
 * What a 401 says of how to do better. That a token is invalid, and not just missing, only where there was one.
 *
 * @param parameters beside it, such as `resource_metadata` (RFC 9728, section 5.1).
 * @see RFC 6750, section 3
 */
export function bearerChallenge(
  headers: Headers,
  parameters: Readonly<Record<string, string>> = { realm: "hopguard" },
): Readonly<Record<string, string>> {
  const all = { ...parameters, ...(headers.has("authorization") && { error: "invalid_token" }) };
  const written = Object.entries(all).map(([name, value]) => `${name}="${value.replace(/["\\]/g, "\\$&")}"`);
  return { "www-authenticate": `Bearer ${written.join(", ")}` };
}
