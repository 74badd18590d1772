import type { JsonObject, JsonValue } from "./json";

/** JSON text with members in one order, so that equal values have equal digests (RFC 8785, for values that came from JSON). */
export function canonicalJson(value: JsonValue): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly JsonValue[]).map(canonicalJson).join(",")}]`;
  const object = value as JsonObject;
  const members = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] as JsonValue)}`);
  return `{${members.join(",")}}`;
}

/** SHA-256 over the canonical text, as `sha-256:<hex>`. */
export async function digestJson(value: JsonValue): Promise<string> {
  return `sha-256:${await sha256Hex(canonicalJson(value))}`;
}

interface NodeCrypto {
  createHash(algorithm: "sha256"): { update(text: string): { digest(encoding: "hex"): string } };
}

/**
 * Node's own hash where there is one: for arguments of 2 kB, Web Crypto takes twenty times as long, which is a tenth of a decision. Asked for
 * by name and not imported, because the core also runs where there is no Node.
 */
const nodeCrypto = (
  globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } }
).process?.getBuiltinModule?.("crypto") as NodeCrypto | undefined;

async function sha256Hex(text: string): Promise<string> {
  if (nodeCrypto) return nodeCrypto.createHash("sha256").update(text).digest("hex");
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
