import { jwt, type TokenVerifier } from "hopguard/identity";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** Somebody who can log in. */
export interface User {
  readonly id: string;
  readonly roles: readonly string[];
}

/** An identity provider, as far as a service knows one: an issuer, and the keys that prove its tokens. */
export interface Login {
  readonly issuer: string;
  /** What a service's guard proves tokens with: the option `identity`. */
  identityFor(audience: string): TokenVerifier;
  /** An access token for one service, good for five minutes. */
  token(user: User, audience: string): Promise<string>;
}

export async function openLogin(): Promise<Login> {
  const issuer = "https://login.desk.example";
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: "login-1", alg: "ES256" }] };
  return {
    issuer,
    identityFor: (audience) => jwt({ issuer, audience, jwks }),
    token: ({ id, roles }, audience) =>
      new SignJWT({ roles })
        .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "login-1" })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(id)
        .setIssuedAt()
        .setExpirationTime("5m")
        .sign(privateKey),
  };
}
