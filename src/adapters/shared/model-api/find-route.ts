import { ROUTES, type ModelApi, type RoutedRequest } from "./routes";

/** Azure puts the deployment, which is the model that runs, before the endpoint. */
const AZURE_DEPLOYMENT = /^\/deployments\/([^/]+)(?=\/)/;

/** Finds the endpoint of a path below the base URL. `undefined`: not known, to be denied. */
export function findRoute(api: ModelApi, method: string, pathBelowBase: string): RoutedRequest | undefined {
  let path = withoutVersion(pathBelowBase);
  const deployment = api === "openai" ? AZURE_DEPLOYMENT.exec(path)?.[1] : undefined;
  if (deployment !== undefined) path = path.replace(AZURE_DEPLOYMENT, "");
  for (const route of ROUTES[api]) {
    const match = route.method === method ? route.path.exec(path) : null;
    if (!match) continue;
    const { id, model: named } = match.groups ?? {};
    const encoded = deployment ?? named;
    const model = encoded === undefined ? undefined : decode(encoded);
    if (encoded !== undefined && model === undefined) return undefined;
    return { route, ...(model !== undefined && { model }), ...(id !== undefined && { id }) };
  }
  return undefined;
}

/** Base URLs are given with and without the version. */
export function withoutVersion(path: string): string {
  return path.replace(/^\/v1(?=\/)/, "");
}

/**
 * An id may hold an encoded slash (`meta-llama%2FLlama-3`), but not one that leads a server which decodes it, once or twice, to another
 * endpoint.
 */
function decode(segment: string): string | undefined {
  try {
    const model = decodeURIComponent(segment);
    const isSafe =
      !/%[0-9a-f]{2}/i.test(model) && !model.split(/[/\\]/).some((step) => step === "." || step === "..");
    return isSafe ? model : undefined;
  } catch {
    return undefined;
  }
}

/** The path below the base URL, or `undefined` for a URL that leads elsewhere: the provider's key must not leak there. */
export function pathBelow(base: URL, url: URL): string | undefined {
  if (url.origin !== base.origin || url.username !== "" || url.password !== "") return undefined;
  const prefix = base.pathname.replace(/\/+$/, "");
  if (!url.pathname.startsWith(`${prefix}/`)) return undefined;
  // Azure's base URL may name the deployment. It is part of the path, or a model in the body would be believed instead.
  const deployment = prefix.indexOf("/deployments/");
  return url.pathname.slice(deployment < 0 ? prefix.length : deployment);
}
