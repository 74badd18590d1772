import { importJWK, importPKCS8, SignJWT, type CryptoKey, type JWK } from "jose";
import * as z from "zod";
import { ConfigurationError, type JsonObject } from "../index";
import { ALGORITHMS, type JwtAlgorithm } from "./verification-keys";

/** What tokens are signed with. */
export interface SigningOptions {
  /** The private key: a JWK, a `CryptoKey` that may sign, or PKCS #8 as PEM. */
  readonly key: JWK | CryptoKey | string;
  readonly algorithm: JwtAlgorithm;
  /** Names the key to those who verify. Default: the `kid` of a JWK. */
  readonly kid?: string;
}

const EXPECTED = "expected a private key: a JWK, a CryptoKey that may sign, or PEM (PKCS #8)";

export const signingOptions = {
  key: z.union(
    [
      z.string().regex(/^\s*-----BEGIN PRIVATE KEY-----/),
      z.custom<CryptoKey>(isSigningKey),
      z.looseObject({ kty: z.enum(["RSA", "EC", "OKP"]), d: z.string(), kid: z.string().optional() }),
    ],
    EXPECTED,
  ),
  algorithm: z.enum(ALGORITHMS),
  kid: z.string().min(1).optional(),
};
type Signing = z.output<z.ZodObject<typeof signingOptions>>;

function isSigningKey(key: unknown): boolean {
  const { type, usages } = (key ?? {}) as Partial<CryptoKey>;
  return type === "private" && Array.isArray(usages) && usages.includes("sign");
}

/** Signs claims as a token of this type. */
export type Sign = (claims: JsonObject, type: string) => Promise<string>;

/** A key that does not fit its algorithm is found by the first token: importing one takes a promise. */
export function signer(option: string, { key, algorithm, kid: given }: Signing): Sign {
  const kid = given ?? (isJwk(key) ? key.kid : undefined);
  const imported = importKey(key, algorithm);
  imported.catch(() => undefined);

  return async (claims, typ) => {
    const header = { alg: algorithm, typ, ...(kid !== undefined && { kid }) };
    try {
      return await new SignJWT({ ...claims }).setProtectedHeader(header).sign(await imported);
    } catch (cause) {
      throw new ConfigurationError(`${option}.key: cannot sign with ${algorithm}`, { cause });
    }
  };
}

async function importKey(key: Signing["key"], algorithm: string): Promise<CryptoKey | Uint8Array> {
  if (typeof key === "string") return importPKCS8(key.trim(), algorithm);
  return isJwk(key) ? importJWK(key as JWK, algorithm) : key;
}

type JwkOption = Exclude<Signing["key"], string | CryptoKey>;
const isJwk = (key: Signing["key"]): key is JwkOption => typeof key !== "string" && "kty" in key;
