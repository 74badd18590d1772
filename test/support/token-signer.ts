import { createHmac, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { CompactEncrypt, exportJWK, SignJWT, type JSONWebKeySet, type JWTPayload } from "jose";

/** Seconds since 1970, so many from now. */
export const seconds = (fromNow = 0): number => Math.floor(Date.now() / 1000) + fromNow;

const text = (part: string | object): string => (typeof part === "string" ? part : JSON.stringify(part));
const encoded = (part: string | object | Buffer): string =>
  (Buffer.isBuffer(part) ? part : Buffer.from(text(part))).toString("base64url");

interface SigningKey {
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const newKey = (alg: "ES256" | "ES384" | "RS256" | "EdDSA"): SigningKey => ({
  alg,
  ...(alg === "RS256"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : alg === "EdDSA"
      ? generateKeyPairSync("ed25519")
      : generateKeyPairSync("ec", { namedCurve: alg === "ES256" ? "P-256" : "P-384" })),
});

/** An issuer whose keys a test holds: it signs whatever it is told. */
export class TokenSigner {
  /** By `kid`. */
  readonly keys = {
    "es-1": newKey("ES256"),
    "rsa-1": newKey("RS256"),
    "ed-1": newKey("EdDSA"),
    /** Published, of an algorithm that nobody has asked for. */
    "es-384": newKey("ES384"),
    /** Published for encryption. */
    "enc-1": newKey("ES256"),
    /** Published for signing alone. */
    "ops-1": newKey("ES256"),
    /** Not published. */
    "foreign-1": newKey("ES256"),
  };

  /** What is published. */
  async jwks(
    kids: readonly Kid[] = ["es-1", "rsa-1", "ed-1", "es-384", "enc-1", "ops-1"],
  ): Promise<JSONWebKeySet> {
    const keys = await Promise.all(kids.map((kid) => this.jwk(kid)));
    return { keys };
  }

  async jwk(kid: Kid) {
    const { alg, publicKey } = this.keys[kid];
    const jwk = { ...(await exportJWK(publicKey)), kid, alg };
    if (kid === "ops-1") return { ...jwk, key_ops: ["sign"] };
    return { ...jwk, use: kid === "enc-1" ? "enc" : "sig" };
  }

  /** A token as issuers sign it. */
  sign(
    claims: object,
    header: { readonly kid?: Kid; readonly [name: string]: unknown } = {},
  ): Promise<string> {
    const { kid = "es-1" } = header;
    const { alg, privateKey } = this.keys[kid];
    return new SignJWT(claims as JWTPayload).setProtectedHeader({ alg, kid, ...header }).sign(privateKey);
  }

  /** A token whose parts are what no library would sign. The signature holds. */
  signRaw(header: string | object, claims: string | object | Buffer, kid: Kid = "es-1"): string {
    const { alg, privateKey } = this.keys[kid];
    const input = `${encoded(header)}.${encoded(claims)}`;
    const key = { key: privateKey, dsaEncoding: "ieee-p1363" as const };
    return `${input}.${encoded(sign(alg === "EdDSA" ? null : "sha256", Buffer.from(input), key))}`;
  }

  /** A token "signed" with a public key, taken for a shared secret. */
  signWithPublicKey(claims: object, kid: Kid): string {
    const secret = this.keys[kid].publicKey.export({ type: "spki", format: "pem" });
    const input = `${encoded({ alg: "HS256", kid })}.${encoded(claims)}`;
    return `${input}.${encoded(createHmac("sha256", secret).update(input).digest())}`;
  }

  /** A token of five parts, which only the holder of the key could read. */
  encrypt(claims: object): Promise<string> {
    return new CompactEncrypt(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: "RSA-OAEP", enc: "A128GCM", kid: "rsa-1" })
      .encrypt(this.keys["rsa-1"].publicKey);
  }
}

export type Kid = keyof TokenSigner["keys"];
