import * as z from "zod";
import { aFunction } from "../core/option-types";
import { parseOptions } from "../core/options";
import type { AssertedHop, AssertionSigner, JsonObject } from "../index";
import { signer, signingOptions, type SigningOptions } from "./signing-key";

/** Options of {@link assertions}. */
export interface AssertionsOptions extends SigningOptions {
  /** Who signs, in `iss`. */
  readonly issuer: string;
  /** Seconds, as in OAuth, after which an assertion expires; at most 300. Default 30. */
  readonly expiresIn?: number;
  /** The time of day. Default `() => new Date()`. */
  readonly clock?: () => Date;
}

export const ASSERTION_TYPE = "hopguard-assertion+jwt";
/** Seconds. Those who verify remember each assertion for as long. */
export const LONGEST_LIFE = 300;

const optionsSchema = z.strictObject({
  ...signingOptions,
  issuer: z.string().min(1),
  expiresIn: z.int().positive().max(LONGEST_LIFE).default(30),
  clock: aFunction<() => Date>().default(() => () => new Date()),
});

/**
 * Signs what was decided, so that a service further on can check it again with `assertionVerifier`: for the guard's option `assertions`. An assertion
 * says who acts, for whom and what was allowed, with the digest of the arguments; it holds none of the caller's tokens.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function assertions(options: AssertionsOptions): AssertionSigner {
  const { issuer, expiresIn, clock, ...signing } = parseOptions(optionsSchema, "assertions", options);
  const sign = signer("assertions", signing);
  return Object.freeze<AssertionSigner>({
    sign(asserted, audience) {
      const iat = Math.floor(clock().getTime() / 1000);
      const claims = { iss: issuer, aud: audience, iat, exp: iat + expiresIn, ...claimsOf(asserted) };
      return sign(claims, ASSERTION_TYPE);
    },
  });
}

function claimsOf(asserted: AssertedHop): JsonObject {
  const { subject, agent, chain, task, session, decisionId, hop, argumentsDigest } = asserted;
  return {
    jti: decisionId,
    sub: subject,
    act: { sub: agent },
    chain,
    session,
    hop,
    ...(task !== undefined && { task }),
    ...(argumentsDigest !== undefined && { arguments_digest: argumentsDigest }),
  };
}

const claimsSchema = z.object({
  jti: z.string().min(1),
  sub: z.string().min(1),
  act: z.object({ sub: z.string().min(1) }),
  chain: z.array(z.string()),
  session: z.string().min(1),
  hop: z.strictObject({ kind: z.string(), name: z.string(), action: z.string() }),
  task: z.string().exactOptional(),
  arguments_digest: z.string().exactOptional(),
});

/** @throws for claims that are no assertion's. */
export function assertedHop(claims: JsonObject): AssertedHop {
  const parsed = claimsSchema.parse(claims);
  const { jti, sub, act, chain, session, hop, task, arguments_digest: argumentsDigest } = parsed;
  return {
    subject: sub,
    agent: act.sub,
    chain,
    session,
    decisionId: jti,
    hop,
    ...(task !== undefined && { task }),
    ...(argumentsDigest !== undefined && { argumentsDigest }),
  };
}
