import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { ConfigurationError } from "../index";
import { fixedKeys, RotatingKeys, type KeyLife, type KeySet } from "./key-set";
import { discoveredKeys, jwksSchema, remoteKeys } from "./key-sources";
import { isSecureUrl, SECURE_URL } from "./secure-url";

/** Algorithms that tokens may be signed with. Those with a shared secret are none of them: who could verify could sign. */
export type JwtAlgorithm = (typeof ALGORITHMS)[number];

export const ALGORITHMS = [
  ...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const),
  ...(["ES256", "ES384", "ES512", "EdDSA", "Ed25519"] as const),
] as const;

export const DEFAULT_ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"] as const;

/** Where keys are, or the keys. */
export const jwksOption = z.union([
  z
    .union([z.string(), z.instanceof(URL)])
    .transform(String)
    .refine(isSecureUrl, SECURE_URL),
  jwksSchema,
]);

type Life = KeyLife & { readonly fetch?: typeof globalThis.fetch | undefined };

export function keySetOf(jwks: string | JSONWebKeySet, { fetch = globalThis.fetch, ...life }: Life): KeySet {
  return typeof jwks === "string" ? new RotatingKeys(remoteKeys(jwks, fetch), life) : fixedKeys(jwks);
}

/**
 * The given keys, or those that an issuer publishes.
 *
 * @throws {ConfigurationError} for an issuer that cannot be asked safely.
 */
export function issuerKeys(
  option: string,
  given: Life & { readonly issuer: string; readonly jwks?: string | JSONWebKeySet | undefined },
): KeySet {
  const { issuer, jwks, fetch = globalThis.fetch, ...life } = given;
  if (jwks) return keySetOf(jwks, { fetch, ...life });
  if (isSecureUrl(issuer)) return new RotatingKeys(discoveredKeys(issuer, fetch), life);
  throw new ConfigurationError(`${option}.issuer: ${SECURE_URL} where there is no jwks`);
}
