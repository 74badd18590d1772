import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { parseOptions } from "../core/options";
import { ConfigurationError } from "../index";
import { atOnce } from "./at-once";
import { fixedKeys, RotatingKeys, type KeySet } from "./key-set";
import { jwtKeysOf, bundleAt, bundleIn, bundleSchema } from "./spiffe-bundle";
import { isTrustDomain, trustDomainOf } from "./spiffe-id";
import { isSecureUrl, SECURE_URL } from "./secure-url";
import { audience, keyOptions, type KeyOptions } from "./shared-options";
import { tokenVerifier, trustDomainName, type TokenVerifier } from "./token-verifier";
import type { UnprovenToken } from "./unproven-token";

/** Where the bundle of a trust domain is. */
export interface TrustDomainOptions {
  /** An https URL (a bundle endpoint with web PKI), the path of a file, or the bundle itself. */
  readonly bundle: string | URL | JSONWebKeySet;
}

type RolesOf = (id: string) => readonly string[];

/** Options of {@link spiffe}. */
export interface SpiffeOptions extends KeyOptions {
  /** By the name of the trust domain, as in `example.org`. Workloads of others are refused. */
  readonly trustDomains: Readonly<Record<string, TrustDomainOptions>>;
  /** Who we are in `aud`: the token must be for one of these, and for nobody else. */
  readonly audience: string | readonly string[];
  /**
   * The roles of each workload: by its SPIFFE id, or by one that ends in `/*` for all below; the most exact counts. Or a function of the id.
   * A workload without roles is refused.
   */
  readonly roles: Readonly<Record<string, readonly string[]>> | RolesOf;
  /** Default `"agent"`. */
  readonly type?: "agent" | "service";
}

const optionsSchema = z.strictObject({
  ...keyOptions,
  trustDomains: z
    .record(
      z.string().refine(isTrustDomain, "expected the name of a trust domain"),
      z.strictObject({ bundle: z.union([z.string().min(1), z.instanceof(URL), bundleSchema]) }),
    )
    .refine((domains) => Object.keys(domains).length > 0, "expected at least one"),
  audience,
  roles: z.unknown(),
  type: z.enum(["agent", "service"]).default("agent"),
});

/** JWT-SVID, section 2.1. */
const ALGORITHMS = ["RS", "ES", "PS"].flatMap((family) => [256, 384, 512].map((bits) => `${family}${bits}`));

/**
 * Verifies JWT-SVIDs: the workload itself is the principal. Keys come from the bundle of the trust domain that its id is in, and from no other. A bundle
 * that cannot be had anew is used for `keysMaxAgeMs`, by default twice its refresh hint; then its workloads are refused.
 *
 * @see The JWT SPIFFE Verifiable Identity Document
 * @throws {ConfigurationError} naming the wrong option.
 */
export function spiffe(options: SpiffeOptions): TokenVerifier {
  const parsed = parseOptions(optionsSchema, "spiffe", options);
  const { trustDomains, audience, clockToleranceMs, clock, type } = parsed;
  const rolesOf = parseRoles(parsed.roles);
  const bundles = new Map<string, KeySet>(
    Object.entries(trustDomains).map(([name, { bundle }]) => [name, keysOf(name, bundle, parsed)]),
  );

  return tokenVerifier({
    issuers: [...bundles.keys()].map(trustDomainName),
    rules: {
      algorithms: ALGORITHMS,
      types: ["JWT", "JOSE", undefined],
      audience,
      severalAudiences: false,
      boundTokens: false,
      clockToleranceMs,
    },
    clock,
    keysFor: (token) => {
      refuseOtherHeaders(token);
      const bundle = bundles.get(trustDomain(token.claims.sub));
      if (!bundle) throw new Error("the workload is of a trust domain that is not known here");
      return bundle;
    },
    identify: ({ claims: { sub } }) => {
      const roles = atOnce(rolesOf(sub), "roles");
      if (roles.length === 0) throw new Error(`there are no roles for ${sub}`);
      return {
        principal: { id: sub, roles, type },
        auth: { method: "spiffe", issuer: trustDomain(sub), verified: true },
      };
    },
  });
}

function keysOf(
  name: string,
  bundle: string | URL | JSONWebKeySet,
  { fetch = globalThis.fetch, ...life }: z.output<typeof optionsSchema>,
): KeySet {
  const option = `spiffe.trustDomains.${name}.bundle`;
  if (typeof bundle === "object" && !(bundle instanceof URL)) return fixedKeys(jwtKeysOf(bundle));
  const address = String(bundle);
  if (!/^[a-z][a-z\d+.-]+:\/\//i.test(address)) return new RotatingKeys(bundleIn(address, option), life);
  if (address.startsWith("file:")) return new RotatingKeys(bundleIn(new URL(address), option), life);
  if (isSecureUrl(address)) return new RotatingKeys(bundleAt(address, fetch), life);
  throw new ConfigurationError(`${option}: ${SECURE_URL}`);
}

/** JWT-SVID, section 2: any header that is not described there must not be there. */
function refuseOtherHeaders({ header }: UnprovenToken): void {
  const other = Object.keys(header).find((name) => !["alg", "kid", "typ"].includes(name));
  if (other !== undefined) throw new Error(`a JWT-SVID has no header ${other}`);
}

function trustDomain(sub: unknown): string {
  const found = typeof sub === "string" ? trustDomainOf(sub) : undefined;
  if (found === undefined) throw new Error("the token's sub is no SPIFFE id of a workload");
  return found;
}

const rolesSchema = z.record(
  z.string().refine(isWorkloadOrAllBelow, "expected a SPIFFE id, or one that ends in /*"),
  z.array(z.string().min(1)).min(1),
);

function isWorkloadOrAllBelow(name: string): boolean {
  const all = name.endsWith("/*");
  return trustDomainOf(all ? `${name.slice(0, -1)}_` : name) !== undefined;
}

function parseRoles(given: unknown): RolesOf {
  if (typeof given === "function") return given as RolesOf;
  const roles = parseOptions(rolesSchema, "spiffe.roles", given);
  return (id) => rolesBelow(roles, id);
}

/** Exactly this one, or else the longest of those that it is below. */
function rolesBelow(roles: Readonly<Record<string, readonly string[]>>, id: string): readonly string[] {
  for (let name = id; name.includes("/"); name = name.slice(0, name.lastIndexOf("/"))) {
    const key = name === id ? id : `${name}/*`;
    if (Object.hasOwn(roles, key)) return roles[key] ?? [];
  }
  return [];
}
