import { decodeProtectedHeader, errors, jwtVerify, type JWTVerifyOptions } from "jose";
import type { JsonObject, JsonValue } from "../index";
import type { KeySet, PublishedKeys } from "./key-set";

/** A key that is not there may have been published since; a token that does not name its key may be of that one. */
export async function verifySignature(
  token: string,
  keySet: KeySet,
  options: JWTVerifyOptions,
): Promise<PublishedKeys> {
  const keys = await keySet.current();
  try {
    await jwtVerify(token, keys.find, options);
    return keys;
  } catch (error) {
    if (!isOfUnknownKey(error, token)) throw error;
    const others = await keySet.otherThan(keys);
    if (!others) throw error;
    await jwtVerify(token, others.find, options);
    return others;
  }
}

function isOfUnknownKey(error: unknown, token: string): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return true;
  return (
    error instanceof errors.JWSSignatureVerificationFailed && decodeProtectedHeader(token).kid === undefined
  );
}

/** Keys, and addresses of keys, that a token brings along: whoever made it up can make them up, too. */
const BROUGHT_ALONG = ["jwk", "jku", "x5c", "x5u"];

/** @throws {Error} for a header that no token of these types has. `undefined` stands for a token without a type. */
export function refuseHeader(header: JsonObject, types: readonly (string | undefined)[]): void {
  for (const name of BROUGHT_ALONG) {
    if (Object.hasOwn(header, name)) throw new Error(`the token brings its own key along (${name})`);
  }
  // We know of no extension, and a token that says that one must be understood is for somebody else.
  if (Object.hasOwn(header, "crit")) throw new Error("the token demands extensions (crit)");
  if (!types.map(mediaType).includes(mediaType(header.typ))) {
    throw new Error("the token was made for something else (typ)");
  }
}

/** RFC 7515, section 4.1.9: case does not matter, and `application/` may be left out. */
function mediaType(typ: JsonValue | undefined): JsonValue | undefined {
  return typeof typ === "string" ? typ.toLowerCase().replace(/^application\/(?!.*\/)/, "") : typ;
}

/** The latest time that a `Date` can hold, in milliseconds. */
const LATEST = 8.64e15;

/** In milliseconds since 1970. */
export function timeOf(claims: JsonObject, name: "exp" | "iat"): number {
  const seconds = claims[name];
  if (typeof seconds === "number" && seconds >= 0 && seconds * 1000 <= LATEST) return seconds * 1000;
  throw new Error(`the token's ${name} is no time`);
}
