/**
 * Whether a URI means the same to a policy, which compares its text, and to a server, which parses it: SDK 1's server reads
 * `doc://public/../private/1` as `doc://private/1`, and a policy that allows what starts with `doc://public/` does not. What a parser would
 * write in another way is refused, and so are dot segments that show only once a path is decoded.
 */
export function isPlainUri(uri: unknown): uri is string {
  if (typeof uri !== "string" || !URL.canParse(uri)) return false;
  const { href, pathname } = new URL(uri);
  return (href === uri || href === `${uri}/`) && !hasDotSegments(pathname);
}

function hasDotSegments(path: string): boolean {
  try {
    return decodeURIComponent(path)
      .split(/[/\\]/)
      .some((segment) => segment === "." || segment === "..");
  } catch {
    return true;
  }
}
