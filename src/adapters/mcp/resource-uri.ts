import { isDecodable } from "../../core/text";

/**
 * Whether a URI means the same to a policy, which compares its text, and to a server, which parses it: SDK 1's server reads
 * `doc://public/../private/1` as `doc://private/1`, and a policy that allows what starts with `doc://public/` does not. What a parser would
 * write in another way is refused, and so are dot segments that show only once a path is decoded.
 */
export function isPlainUri(uri: unknown): uri is string {
  if (typeof uri !== "string" || !URL.canParse(uri)) return false;
  const { href, pathname } = new URL(uri);
  return (href === uri || href === `${uri}/`) && isDecodable(pathname) && !hasDotSegments(pathname);
}

/** Nobody means what shows only after so many. */
const MAX_ROUNDS = 8;

/** However often it is decoded: a server may hand a part of it to another that decodes it again. */
function hasDotSegments(path: string, round = 0): boolean {
  if (path.split(/[/\\]/).some((segment) => segment === "." || segment === "..")) return true;
  const decoded = path.replaceAll(/%[0-7][0-9a-f]/gi, decodeURIComponent);
  return decoded !== path && (round === MAX_ROUNDS || hasDotSegments(decoded, round + 1));
}
