import type { CallContext, ModelCall } from "./model-call";
import { findRoute, pathBelow } from "./find-route";
import { namesModel } from "./model-names";
import type { OutgoingRequest } from "./outgoing-request";
import type { RoutedRequest } from "./routes";
import { UnsupportedRequestError } from "./unsupported-request";

/** A request whose endpoint is known. */
export interface ResolvedRequest extends RoutedRequest {
  /** The call that created what the path names. */
  readonly origin?: ModelCall;
  /** How the option `endpoints` admits it, where the endpoint takes more than the guard can read. */
  readonly admitted?: RoutedRequest;
}

/** Headers by which servers and proxies take a request for another. */
const RENAMES = /method-override|(?:original|rewrite)-ur[il]|forwarded-(?:prefix|path|uri)/;

/**
 * Finds out which endpoint a request is for, one that the API has or one that the option `endpoints` admits.
 *
 * @throws {UnsupportedRequestError} naming the option that admits the endpoint.
 */
export function resolveRoute(
  { guard, created, endpoint }: CallContext,
  baseURL: URL,
  { url, method, headers }: OutgoingRequest,
): ResolvedRequest {
  const path = pathBelow(baseURL, url);
  if (path === undefined) {
    throw new UnsupportedRequestError("The request leads to another place than the client's base URL.");
  }
  if ([...url.searchParams.keys()].some(namesModel)) {
    throw new UnsupportedRequestError("The request names a model in its query.");
  }
  // Gateways take models, and whole fallbacks, from headers; some take another method or path.
  if ([...headers.keys()].some((name) => namesModel(name) || RENAMES.test(name))) {
    throw new UnsupportedRequestError("A header of the request names a model, or another endpoint.");
  }
  const known = findRoute(guard.api, method, path);
  const admitted = admittedRoute(guard.endpoints, method, path);
  const resource = known?.route.resource;
  if (known && !resource) return { ...known, ...(admitted && { admitted }) };
  const origin = resource && created.find(resource, endpoint, known.id ?? "");
  if (known && origin) return { ...known, origin };
  if (admitted) return admitted;
  throw new UnsupportedRequestError(
    known
      ? `This client does not remember to have created what ${method} ${path} asks for (of responses: in the background); ` +
          "the option `endpoints` admits it all the same."
      : `${method} ${path} is no endpoint that the guard knows; the option \`endpoints\` admits it: ` +
          `{ "${method} ${path}": { model: "…", action: "…" } }.`,
  );
}

function admittedRoute(
  endpoints: CallContext["guard"]["endpoints"],
  method: string,
  path: string,
): RoutedRequest | undefined {
  const admitted = endpoints.find((endpoint) => endpoint.method === method && endpoint.path.test(path));
  if (!admitted) return undefined;
  const { model, action } = admitted;
  return { route: { action, kind: "admitted", content: ["json", "form", "none"] }, model };
}
