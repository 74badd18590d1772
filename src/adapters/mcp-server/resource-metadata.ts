import type { FrontDoorSettings } from "./options";

const WELL_KNOWN = "/.well-known/oauth-protected-resource";

/** MCP clients in browsers read it across origins; there is nothing secret in it. */
const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, OPTIONS",
  "access-control-allow-headers": "*",
};

/** Where the metadata of a resource is: between its host and its path. @see RFC 9728, section 3.1 */
export function resourceMetadataUrl(resource: string): URL {
  const { origin, pathname, search } = new URL(resource);
  return new URL(`${origin}${WELL_KNOWN}${pathname === "/" ? "" : pathname}${search}`);
}

/**
 * Answers with the metadata of the protected resource, at its own place and nowhere else.
 *
 * @see RFC 9728, section 3
 */
export function resourceMetadata(
  { resource, authorizationServers, scopesSupported }: FrontDoorSettings,
  request: Pick<Request, "method" | "url">,
): Response {
  const place = resource === undefined ? undefined : resourceMetadataUrl(resource).pathname;
  if (new URL(request.url).pathname !== place) return new Response(null, { status: 404 });
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: CORS });
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response(null, { status: 405, headers: { allow: "GET, HEAD, OPTIONS" } });
  }
  const metadata = {
    resource,
    ...(authorizationServers.length > 0 && { authorization_servers: authorizationServers }),
    ...(scopesSupported.length > 0 && { scopes_supported: scopesSupported }),
    bearer_methods_supported: ["header"],
  };
  return Response.json(metadata, { headers: { ...CORS, "cache-control": "max-age=3600" } });
}
