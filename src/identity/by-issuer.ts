import { ConfigurationError, type VerifiedIdentity } from "../index";
import { trustDomainOf } from "./spiffe-id";
import { issuerName, trustDomainName, type TokenVerifier } from "./token-verifier";
import { readToken, type UnprovenToken } from "./unproven-token";

/**
 * Several issuers and trust domains side by side. A token goes to the one that it claims to be from, and to no other: what that one refuses
 * is refused. A token that claims to be from two is refused.
 *
 * @throws {ConfigurationError} for two verifiers of one issuer.
 */
export function byIssuer(...verifiers: readonly TokenVerifier[]): TokenVerifier {
  const byName = new Map<string, TokenVerifier>();
  for (const verifier of verifiers) {
    for (const issuer of issuersOf(verifier)) {
      if (byName.has(issuer)) throw new ConfigurationError(`byIssuer: there are two verifiers of ${issuer}`);
      byName.set(issuer, verifier);
    }
  }
  if (byName.size === 0) throw new ConfigurationError("byIssuer: expected at least one verifier");

  const verify = async (token: string): Promise<VerifiedIdentity> => {
    const claimed = claimedIssuers(readToken(token)).flatMap((issuer) => byName.get(issuer) ?? []);
    const [verifier] = claimed;
    if (!verifier) throw new Error("the token is from nobody whose tokens are verified here");
    if (claimed.length > 1) throw new Error("the token claims to be from two issuers");
    return verifier.verify(token);
  };
  return Object.freeze({ issuers: [...byName.keys()], verify });
}

function issuersOf(verifier: TokenVerifier): readonly string[] {
  const issuers: unknown = (verifier as Partial<TokenVerifier> | undefined)?.issuers;
  if (Array.isArray(issuers)) return issuers as readonly string[];
  throw new ConfigurationError("byIssuer: expected what jwt() and spiffe() make");
}

function claimedIssuers({ claims: { iss, sub } }: UnprovenToken): readonly string[] {
  const trustDomain = typeof sub === "string" ? trustDomainOf(sub) : undefined;
  return [
    ...(typeof iss === "string" ? [issuerName(iss)] : []),
    ...(trustDomain === undefined ? [] : [trustDomainName(trustDomain)]),
  ];
}
