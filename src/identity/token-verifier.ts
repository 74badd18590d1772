import { digestJson } from "../core/digest";
import { parsePrincipal } from "../core/principal";
import type { IdentityVerifier, VerifiedIdentity } from "../index";
import type { KeySet } from "./key-set";
import { proveToken, type ProvenToken, type TokenRules } from "./prove-token";
import { readToken, refuseOversized, type UnprovenToken } from "./unproven-token";
import { VerifiedTokens } from "./verified-tokens";

/** A verifier that says whose tokens it verifies, so that several can stand side by side. */
export interface TokenVerifier extends IdentityVerifier {
  /** Issuers as `iss:<issuer>`, trust domains as `spiffe://<trust domain>`. */
  readonly issuers: readonly string[];
}

/** Names of issuers and of trust domains never meet. */
export const issuerName = (issuer: string): string => `iss:${issuer}`;
export const trustDomainName = (trustDomain: string): string => `spiffe://${trustDomain}`;

/** How a kind of token is proven. */
export interface TokenKind {
  readonly issuers: readonly string[];
  readonly rules: TokenRules;
  readonly clock: () => Date;
  /**
   * The keys that may prove this token, by what it claims.
   *
   * @throws {Error} for a token that is somebody else's: nothing is asked for then.
   */
  readonly keysFor: (token: UnprovenToken) => KeySet;
  /** @throws {Error} for claims that name no principal. */
  readonly identify: (token: ProvenToken) => Omit<VerifiedIdentity, "expiresAt" | "issuedAt">;
}

/** Makes a verifier of a kind of token. */
export function tokenVerifier({ issuers, rules, clock, keysFor, identify }: TokenKind): TokenVerifier {
  const verified = new VerifiedTokens();

  const verify = async (token: string): Promise<VerifiedIdentity> => {
    refuseOversized(token);
    const now = clock();
    const digest = await digestJson(token);
    const known = await verified.find(digest, now.getTime());
    if (known) return known;

    const unproven = readToken(token);
    const keySet = keysFor(unproven);
    const proven = await proveToken(token, unproven, keySet, rules, now);
    const { expiresAt, issuedAt, keys } = proven;
    const { principal, ...identified } = identify(proven);
    const identity = Object.freeze({
      ...identified,
      // A copy: this is remembered, and a function of the operator's may have kept the original.
      principal: parsePrincipal(principal),
      expiresAt,
      ...(issuedAt !== undefined && { issuedAt }),
    });
    verified.add(digest, { identity, keySet, keys }, now.getTime());
    return identity;
  };
  return Object.freeze({ issuers, verify });
}
