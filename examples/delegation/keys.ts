import { exportJWK, generateKeyPair, SignJWT, type JWK } from "jose";

/** A key pair that delegations are signed and proven with. */
export interface SigningKey {
  readonly kid: string;
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}

export async function newSigningKey(kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  return {
    kid,
    privateJwk: { ...(await exportJWK(privateKey)), kid },
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg: "ES256" },
  };
}

/** The claims of a token, which anybody can read who has it. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(decode(token.split(".")[1])) as Record<string, unknown>;
}

/** The token with every cent of its limits made a dollar, and its signature as it was. */
export function widened(token: string): string {
  const [header, payload, signature] = token.split(".");
  return [header, encode(decode(payload).replace('"maximum":5000', '"maximum":500000')), signature].join(".");
}

/** The token's own words, which say that no signature is needed. */
export function unsigned(token: string): string {
  const header = { ...(JSON.parse(decode(token.split(".")[0])) as object), alg: "none" };
  return `${encode(JSON.stringify(header))}.${token.split(".")[1]}.`;
}

/** The token's own words, signed by somebody else who gives the key the same name. */
export async function signedBy(token: string, key: SigningKey): Promise<string> {
  const header = JSON.parse(decode(token.split(".")[0])) as { readonly alg: string };
  return new SignJWT(claimsOf(token)).setProtectedHeader(header).sign(key.privateJwk);
}

const decode = (part = ""): string => Buffer.from(part, "base64url").toString();
const encode = (text: string): string => Buffer.from(text).toString("base64url");
