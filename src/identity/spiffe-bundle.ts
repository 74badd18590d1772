import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { isJsonObject } from "../core/json";
import { parseStrictJson } from "../core/strict-json";
import type { JsonValue } from "../index";
import { fetchDocument, withoutQuery } from "./fetch-document";
import type { KeySource, LoadedKeys } from "./key-set";
import { jwksSchema, withoutOddKeys } from "./key-sources";
import { filesFor } from "./node-files";

/** A bundle as it is published: the keys of a trust domain, and seconds after which to look again. */
export const bundleSchema = jwksSchema.extend({ spiffe_refresh_hint: z.number().positive().optional() });

/** Milliseconds. A file costs nothing to look into. */
const FILE_REFRESH_MS = 5000;
const DEFAULT_HINT_S = 300;
/** A key that is taken back should not count for days because the bundle says so. */
const LONGEST_HINT_S = 3600;

/**
 * The keys of JWT-SVIDs, and of no other kind of SVID. `use` says which they are, and is then left out, because to JOSE it says something else. A set in
 * which no key says anything is what the Workload API hands out: all of them are for JWT-SVIDs.
 *
 * @see SPIFFE Trust Domain and Bundle, section 4.2.2
 */
export function jwtKeysOf({ keys }: JSONWebKeySet, isBundle = saysUse(keys)): JSONWebKeySet {
  return {
    keys: keys.flatMap(({ use, ...key }) => (!isBundle || use === "jwt-svid" ? [key] : [])),
  };
}

const saysUse = (keys: readonly unknown[]): boolean =>
  keys.some((key) => isJsonObject(key) && key.use !== undefined);
const published = z.looseObject({ keys: z.array(z.unknown()) });

function loaded(document: JsonValue): Required<LoadedKeys> {
  // What is no key still says that this is a bundle.
  const isBundle = saysUse(published.parse(document).keys);
  const bundle = bundleSchema.parse(withoutOddKeys(document));
  const refreshAfterMs = Math.min(bundle.spiffe_refresh_hint ?? DEFAULT_HINT_S, LONGEST_HINT_S) * 1000;
  return { jwks: jwtKeysOf(bundle, isBundle), refreshAfterMs, maxAgeMs: 2 * refreshAfterMs };
}

/** A bundle at an endpoint with web PKI. */
export function bundleAt(url: string, fetch: typeof globalThis.fetch): KeySource {
  return { name: withoutQuery(url), load: async (signal) => loaded(await fetchDocument(url, fetch, signal)) };
}

/**
 * A bundle in a file that somebody else keeps fresh.
 *
 * @throws {ConfigurationError} where there are no files.
 */
export function bundleIn(path: string | URL, option: string): KeySource {
  const files = filesFor(option);
  const load = async (): Promise<LoadedKeys> => {
    const bundle = loaded(parseStrictJson(await files.readFile(path, "utf8")));
    return { ...bundle, refreshAfterMs: FILE_REFRESH_MS };
  };
  return { name: String(path), load };
}
