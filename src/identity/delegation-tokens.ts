import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { isJsonObject } from "../core/json";
import { parseOptions } from "../core/options";
import { ConfigurationError, type DelegationTokens } from "../index";
import { proveSigned } from "./prove-signed";
import { keyOptions, type KeyOptions } from "./shared-options";
import { signer, signingOptions, type SigningOptions } from "./signing-key";
import { refuseOversized } from "./unproven-token";
import { ALGORITHMS, DEFAULT_ALGORITHMS, jwksOption, keySetOf, type JwtAlgorithm } from "./verification-keys";

/** Options of {@link delegationTokens}. */
export interface DelegationTokensOptions extends KeyOptions {
  /** Who signs, in `iss`: the same for all processes that pass work to one another. */
  readonly issuer: string;
  /** What delegations are signed with. Default: they are only verified here. */
  readonly sign?: SigningOptions;
  /** The public keys that prove delegations, or where they are. */
  readonly keys: string | URL | JSONWebKeySet;
  /** Default: the one that is signed with, else `["RS256", "PS256", "ES256", "EdDSA"]`. */
  readonly algorithms?: readonly JwtAlgorithm[];
}

const TYPE = "hopguard-delegation+jwt";
/** In characters: a chain holds the grant of each of its links. */
const MAX_LENGTH = 65_536;

const optionsSchema = z.strictObject({
  ...keyOptions,
  issuer: z.string().min(1),
  sign: z.strictObject(signingOptions).optional(),
  keys: jwksOption,
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).optional(),
});

/**
 * Delegations as signed JWTs, with which an agent in another process takes up what it was delegated: for the guard's option `delegation.tokens`. A token is
 * for one agent, expires with the delegation, and is as secret as any bearer's token.
 *
 * @see RFC 8725, JSON Web Token Best Current Practices
 * @throws {ConfigurationError} naming the wrong option.
 */
export function delegationTokens(options: DelegationTokensOptions): DelegationTokens {
  const parsed = parseOptions(optionsSchema, "delegationTokens", options);
  const { issuer, sign: signing, keys, clock, clockToleranceMs, ...life } = parsed;
  const algorithms = parsed.algorithms ?? (signing ? [signing.algorithm] : DEFAULT_ALGORITHMS);
  const sign = signing && signer("delegationTokens.sign", signing);
  const keySet = keySetOf(keys, { ...life, clock });
  const rules = { issuer, algorithms, types: [TYPE], maxLength: MAX_LENGTH, clockToleranceMs };

  return Object.freeze<DelegationTokens>({
    async sign(delegation, { audience, expiresAt }) {
      if (!sign) throw new ConfigurationError("delegationTokens.sign: there is nothing to sign with");
      const iat = Math.floor(clock().getTime() / 1000);
      const exp = Math.floor(expiresAt / 1000);
      if (exp <= iat) throw new Error("the delegation has expired");
      const token = await sign(
        { iss: issuer, aud: audience, iat, exp, jti: crypto.randomUUID(), delegation },
        TYPE,
      );
      refuseOversized(token, MAX_LENGTH);
      return token;
    },
    async verify(token) {
      const { claims, audience, expiresAt } = await proveSigned(token, keySet, rules, clock());
      const { delegation } = claims;
      if (expiresAt === undefined) throw new Error("the token has no exp");
      if (!isJsonObject(delegation)) throw new Error("the token holds no delegation");
      return { delegation, audience, expiresAt };
    },
  });
}
