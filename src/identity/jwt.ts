import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { isJsonObject } from "../core/json";
import { parseOptions } from "../core/options";
import type { JsonValue, VerifiedIdentity } from "../index";
import { atOnce } from "./at-once";
import { readAuthorizationDetails } from "./authorization-details";
import { parseClaims, type ClaimFunction, type ClaimMapping } from "./claim-mapping";
import { loginsOf } from "./login-id";
import type { ProvenToken } from "./prove-token";
import { audience, keyOptions, type KeyOptions } from "./shared-options";
import { issuerName, tokenVerifier, type TokenVerifier } from "./token-verifier";
import {
  ALGORITHMS,
  DEFAULT_ALGORITHMS,
  issuerKeys,
  jwksOption,
  type JwtAlgorithm,
} from "./verification-keys";

/** Options of {@link jwt}. */
export interface JwtOptions extends KeyOptions {
  /** Exactly as tokens say it in `iss`. */
  readonly issuer: string;
  /** Who we are in `aud`: the token must be for one of these. */
  readonly audience: string | readonly string[];
  /** Where the keys are, or the keys. Default: where the issuer's `/.well-known/openid-configuration` says. */
  readonly jwks?: string | URL | JSONWebKeySet;
  /** Default `["RS256", "PS256", "ES256", "EdDSA"]`. What a token says of its algorithm counts only if it is among these. */
  readonly algorithms?: readonly JwtAlgorithm[];
  /** What header `typ` must be; a token without it is then refused. Default: `JWT`, `at+jwt`, or none. */
  readonly typ?: string | readonly string[];
  /** How claims become a principal. Default: its id is `sub`, its roles are the list in `roles`. */
  readonly claims?: ClaimMapping | ClaimFunction;
  /** Milliseconds since `iat` after which a token counts as expired, whatever its `exp`. Default: only `exp` counts. */
  readonly maxAgeMs?: number;
  /** Take tokens that are for others, too: each of those can use them here. Default false. */
  readonly severalAudiences?: boolean;
  /** Take tokens that are bound to a key (`cnf`), because you have checked the proof of it (DPoP, mutual TLS). Default false. */
  readonly boundTokens?: boolean;
}

const optionsSchema = z.strictObject({
  ...keyOptions,
  issuer: z.string().min(1),
  audience,
  jwks: jwksOption.optional(),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .default([...DEFAULT_ALGORITHMS]),
  typ: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .transform((types) => [types].flat())
    .optional(),
  claims: z.unknown().default({}),
  maxAgeMs: z.int().positive().optional(),
  severalAudiences: z.boolean().default(false),
  boundTokens: z.boolean().default(false),
});

/**
 * Verifies JWTs of one issuer: access tokens, or ID tokens whose audience we are. Keys come from the issuer, rotate with it, and are used for
 * `keysMaxAgeMs` when it cannot be asked; then every token is refused.
 *
 * @see RFC 9068, JWT Profile for OAuth 2.0 Access Tokens; RFC 8725, JSON Web Token Best Current Practices
 * @throws {ConfigurationError} naming the wrong option.
 */
export function jwt(options: JwtOptions): TokenVerifier {
  const parsed = parseOptions(optionsSchema, "jwt", options);
  const { issuer, clock, typ: types = ["JWT", "at+jwt", undefined] } = parsed;
  const principalOf = parseClaims(parsed.claims, "jwt.claims");
  const keys = issuerKeys("jwt", parsed);

  return tokenVerifier({
    issuers: [issuerName(issuer)],
    rules: { ...parsed, types },
    clock,
    keysFor: (token) => {
      if (token.claims.iss !== issuer) throw new Error("the token is another issuer's");
      return keys;
    },
    identify: (token) => ({
      principal: atOnce(principalOf(token.claims), "principal"),
      auth: { method: "jwt", issuer, verified: true },
      ...delegationOf(token),
      logins: loginsOf({ ...token.claims, iss: issuer }),
    }),
  });
}

/** Who acts for the subject, and with which limits. */
function delegationOf({ claims }: ProvenToken): Pick<VerifiedIdentity, "actor" | "authorizationDetails"> {
  const { act, authorization_details: details } = claims;
  return {
    ...(act !== undefined && { actor: actorOf(act) }),
    ...(details !== undefined && { authorizationDetails: readAuthorizationDetails(details) }),
  };
}

/** RFC 8693, section 4.1: the outermost one acts; those within have acted before. */
function actorOf(act: JsonValue): string {
  if (isJsonObject(act) && typeof act.sub === "string" && act.sub !== "") return act.sub;
  throw new Error("the token's act names nobody");
}
