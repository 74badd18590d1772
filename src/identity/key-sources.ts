import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { isJsonObject } from "../core/json";
import type { JsonValue } from "../index";
import { fetchDocument, withoutQuery } from "./fetch-document";
import type { KeySource } from "./key-set";
import { isLoopback, isSecureUrl } from "./secure-url";

/** A set of keys as it is published; jose looks at each key when a token names it. */
export const jwksSchema = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })) });

const parseJwks = (document: JsonValue): JSONWebKeySet => jwksSchema.parse(withoutOddKeys(document));

/**
 * A published set without what is no key: one odd member must not take the others with it. A set that holds nothing else is left as it is, and
 * refused as a whole, so that the keys from before stay for as long as they live.
 *
 * @see RFC 7517, section 5
 */
export function withoutOddKeys(document: JsonValue): JsonValue {
  if (!isJsonObject(document) || !Array.isArray(document.keys)) return document;
  const keys = (document.keys as readonly JsonValue[]).filter(
    (key) => isJsonObject(key) && typeof key.kty === "string",
  );
  return keys.length > 0 ? { ...document, keys } : document;
}

/** Keys at an address that the operator has given. */
export function remoteKeys(url: string, fetch: typeof globalThis.fetch): KeySource {
  return {
    name: withoutQuery(url),
    load: async (signal) => ({ jwks: parseJwks(await fetchDocument(url, fetch, signal)) }),
  };
}

const discoverySchema = z.looseObject({ issuer: z.string(), jwks_uri: z.string().refine(isSecureUrl) });

/**
 * Keys at the address that the issuer names, which is asked for anew with each load.
 *
 * @see OpenID Connect Discovery 1.0, section 4
 */
export function discoveredKeys(issuer: string, fetch: typeof globalThis.fetch): KeySource {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  return {
    name: issuer,
    load: async (signal) => {
      const found = discoverySchema.parse(await fetchDocument(address, fetch, signal));
      if (found.issuer !== issuer) throw new Error("the discovery document is another issuer's");
      // An issuer out there has no business on this machine.
      if (isLoopback(found.jwks_uri) && !isLoopback(issuer)) throw new Error("jwks_uri is on loopback");
      return { jwks: parseJwks(await fetchDocument(found.jwks_uri, fetch, signal)) };
    },
  };
}
