import type { JsonObject } from "../index";
import type { KeySet } from "./key-set";
import { refuseHeader, timeOf, verifySignature } from "./strict-token";
import { readToken } from "./unproven-token";

/** What a token that is no identity must be like: a delegation, an assertion, a logout. */
export interface SignedTokenRules {
  readonly algorithms: readonly string[];
  /** Header `typ`; `undefined` stands for a token without one. */
  readonly types: readonly (string | undefined)[];
  readonly issuer: string;
  /** Default: whomever it names. */
  readonly audience?: string;
  /** In characters. Default: that of identities. */
  readonly maxLength?: number;
  /** Milliseconds by which `iat` and `nbf` may lie in the future. */
  readonly clockToleranceMs: number;
}

export interface SignedToken {
  readonly claims: JsonObject;
  /** The one that it is for. */
  readonly audience: string;
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
}

/** Proves who signed a token, what for and when. Rejects for everything else, with words for the operator only. */
export async function proveSigned(
  token: string,
  keySet: KeySet,
  rules: SignedTokenRules,
  now: Date,
): Promise<SignedToken> {
  const { algorithms, types, issuer, clockToleranceMs } = rules;
  const { header, claims } = readToken(token, rules.maxLength);
  refuseHeader(header, types);
  await verifySignature(token, keySet, {
    algorithms: [...algorithms],
    issuer,
    clockTolerance: clockToleranceMs / 1000,
    currentDate: now,
  });
  const audience = audienceOf(claims);
  if (rules.audience !== undefined && audience !== rules.audience) throw new Error("the token is not for us");
  const issuedAt = timeOf(claims, "iat");
  if (issuedAt > now.getTime() + clockToleranceMs) throw new Error("the token was issued in the future");
  const expiresAt = claims.exp === undefined ? undefined : timeOf(claims, "exp");
  if (expiresAt !== undefined && expiresAt <= now.getTime()) throw new Error("the token has expired");
  return { claims, audience, issuedAt, expiresAt };
}

/** Each of several could use it with the others. */
function audienceOf({ aud }: JsonObject): string {
  const [audience, ...others] = [aud].flat();
  if (typeof audience === "string" && audience !== "" && others.length === 0) return audience;
  throw new Error("the token is not for exactly one audience");
}
