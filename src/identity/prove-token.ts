import type { JsonObject } from "../index";
import type { KeySet, PublishedKeys } from "./key-set";
import { refuseHeader, timeOf, verifySignature } from "./strict-token";
import type { UnprovenToken } from "./unproven-token";

/** What a token must be like, beside its signature. */
export interface TokenRules {
  readonly algorithms: readonly string[];
  /** Header `typ`; `undefined` stands for a token without one. */
  readonly types: readonly (string | undefined)[];
  readonly issuer?: string;
  /** One of these. */
  readonly audience: readonly string[];
  /** Take tokens that are for others, too. */
  readonly severalAudiences: boolean;
  /** Take tokens that are bound to a key of their bearer's. */
  readonly boundTokens: boolean;
  /** Milliseconds by which `iat` and `nbf` may lie in the future. */
  readonly clockToleranceMs: number;
  /** Milliseconds since `iat`. */
  readonly maxAgeMs?: number | undefined;
}

/** The claims every token must have, and others that are now known to be what they should be. */
export type ProvenClaims = JsonObject & {
  readonly sub: string;
  readonly exp: number;
  readonly sid?: string;
};

export interface ProvenToken {
  readonly claims: ProvenClaims;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly issuedAt?: number;
  /** Those that proved it. */
  readonly keys: PublishedKeys;
}

/**
 * Proves a token: its signature, and that it is meant for us and for now. Rejects for everything else, with words for the audit record only.
 *
 * @see RFC 8725, JSON Web Token Best Current Practices
 */
export async function proveToken(
  token: string,
  { header, claims }: UnprovenToken,
  keySet: KeySet,
  rules: TokenRules,
  now: Date,
): Promise<ProvenToken> {
  refuseHeader(header, rules.types);
  const keys = await verifySignature(token, keySet, {
    algorithms: [...rules.algorithms],
    audience: [...rules.audience],
    ...(rules.issuer !== undefined && { issuer: rules.issuer }),
    requiredClaims: ["sub", "exp"],
    clockTolerance: rules.clockToleranceMs / 1000,
    currentDate: now,
  });
  refuseClaims(claims, rules);
  const times = timesOf(claims, rules);
  if (times.expiresAt <= now.getTime()) throw new Error("the token has expired");
  if ((times.issuedAt ?? -Infinity) > now.getTime() + rules.clockToleranceMs) {
    throw new Error("the token was issued in the future");
  }
  return { claims: claims as ProvenClaims, ...times, keys };
}

function refuseClaims(claims: JsonObject, rules: TokenRules): void {
  const { sub, sid, aud } = claims;
  if (typeof sub !== "string" || sub === "") throw new Error("the token's sub names nobody");
  if (sid !== undefined && (typeof sid !== "string" || sid === "")) {
    throw new Error("the token's sid names no session");
  }
  if (Array.isArray(aud) && aud.length !== 1 && !rules.severalAudiences) {
    throw new Error("the token has several audiences: each of them could use it here");
  }
  // Logout tokens of providers that give them no type of their own, and other security events (RFC 8417).
  if (Object.hasOwn(claims, "events")) throw new Error("the token tells of an event");
  // RFC 7800: its bearer must show that he has the key, and here he cannot.
  if (Object.hasOwn(claims, "cnf") && !rules.boundTokens)
    throw new Error("the token is bound to a key (cnf)");
}

function timesOf(claims: JsonObject, { maxAgeMs }: TokenRules): Pick<ProvenToken, "expiresAt" | "issuedAt"> {
  const expiresAt = timeOf(claims, "exp");
  if (claims.iat === undefined && maxAgeMs === undefined) return { expiresAt };
  const issuedAt = timeOf(claims, "iat");
  return { expiresAt: Math.min(expiresAt, issuedAt + (maxAgeMs ?? Infinity)), issuedAt };
}
