import { namesModel } from "./model-names";
import type { ModelGuard } from "./options";
import type { OutgoingRequest } from "./outgoing-request";
import { findRoute, pathBelow, type RoutedRequest } from "./routes";
import { UnsupportedRequestError } from "./unsupported-request";

/**
 * Finds out which endpoint a request is for, one that the API has or one that the option `endpoints` admits.
 *
 * @throws {UnsupportedRequestError} naming the option that admits the endpoint.
 */
export function resolveRoute(
  guard: ModelGuard,
  baseURL: URL,
  { url, method, headers }: OutgoingRequest,
): RoutedRequest {
  const path = pathBelow(baseURL, url);
  if (path === undefined) {
    throw new UnsupportedRequestError("The request leads to another place than the client's base URL.");
  }
  if ([...url.searchParams.keys()].some(namesModel)) {
    throw new UnsupportedRequestError("The request names a model in its query.");
  }
  // Gateways take models, and whole fallbacks, from headers.
  if ([...headers.keys()].some((name) => namesModel(name) || name.includes("method-override"))) {
    throw new UnsupportedRequestError("A header of the request names a model, or another method.");
  }
  const known = findRoute(guard.api, method, path);
  if (known) return known;
  const admitted = guard.endpoints.find((endpoint) => endpoint.method === method && endpoint.path.test(path));
  if (admitted) {
    const { model, action } = admitted;
    return { route: { action, kind: "call", content: ["json", "form", "none"] }, model };
  }
  throw new UnsupportedRequestError(
    `${method} ${path} is no endpoint that the guard knows; the option \`endpoints\` admits it: ` +
      `{ "${method} ${path}": { model: "…", action: "…" } }.`,
  );
}
