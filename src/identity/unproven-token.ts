import { base64url } from "jose";
import { isJsonObject } from "../core/json";
import { parseStrictJson } from "../core/strict-json";
import type { JsonObject } from "../index";

/** What a token says, before anything of it is proven: enough to find out whose keys may prove it. */
export interface UnprovenToken {
  readonly header: JsonObject;
  readonly claims: JsonObject;
}

/** In characters. Servers take headers of no more, and whatever is longer is not worth any work. */
const MAX_LENGTH = 16_384;
/** Three parts that are not empty (an unsigned token has two, an encrypted one five), and no padding. */
const SIGNED = /^([\w-]+)\.([\w-]+)\.[\w-]+$/;

/** @throws {Error} for what is no token, or too long for one: cheap, and to be called first. */
export function refuseOversized(token: unknown, maxLength = MAX_LENGTH): asserts token is string {
  if (typeof token !== "string" || token === "") throw new Error("there is no token");
  if (token.length > maxLength) throw new Error(`the token is longer than ${maxLength} characters`);
}

/**
 * Reads a signed token. A member that is there twice is refused, in the header and in the claims: who signed it and who reads it might see
 * different ones.
 *
 * @throws {Error} without echoing any of the token.
 */
export function readToken(token: string, maxLength?: number): UnprovenToken {
  refuseOversized(token, maxLength);
  const [, header, claims] = SIGNED.exec(token) ?? [];
  if (header === undefined || claims === undefined) throw new Error("the token is no signed JWT");
  return { header: readPart("header", header), claims: readPart("claims", claims) };
}

/** A byte order mark is no JSON here; decoders drop it unless they are told. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function readPart(name: string, part: string): JsonObject {
  try {
    const value = parseStrictJson(utf8.decode(base64url.decode(part)));
    if (isJsonObject(value)) return value;
  } catch (cause) {
    throw new Error(`the token's ${name} cannot be read: ${(cause as Error).message}`, { cause });
  }
  throw new Error(`the token's ${name} is no object`);
}
