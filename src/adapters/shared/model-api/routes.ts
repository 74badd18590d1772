/** The two wire formats that most providers and gateways speak. */
export type ModelApi = "openai" | "anthropic";

/** Where an endpoint's request is read from, and what it does. */
export interface Route {
  readonly action: string;
  /** `batch`: whole requests in a list. `catalogue`: the answer lists models and is filtered. */
  readonly kind: "call" | "batch" | "catalogue";
  readonly content: readonly ("json" | "form" | "none")[];
}

interface KnownRoute extends Route {
  readonly method: "GET" | "POST";
  /** Matched against the path below the base URL; `model` is a model that stands in the path. */
  readonly path: RegExp;
}

const call = (action: string, path: RegExp, content: Route["content"] = ["json"]): KnownRoute => ({
  method: "POST",
  path,
  action,
  kind: "call",
  content,
});
const get = (kind: Route["kind"], path: RegExp): KnownRoute => ({
  method: "GET",
  path,
  action: "list",
  kind,
  content: ["none"],
});

/**
 * What is known of each API. Default deny: an endpoint that is not here is refused, because nobody can say where in its request a model
 * stands, or what runs behind it (batches by file, assistants, stored prompts, fine-tuning).
 */
export const ROUTES: Readonly<Record<ModelApi, readonly KnownRoute[]>> = {
  openai: [
    call("completion", /^\/chat\/completions$/),
    call("completion", /^\/completions$/),
    call("completion", /^\/responses(?:\/compact)?$/),
    call("count_tokens", /^\/responses\/input_tokens$/),
    call("embedding", /^\/embeddings$/),
    call("moderation", /^\/moderations$/),
    call("image", /^\/images\/generations$/),
    call("image", /^\/images\/(?:edits|variations)$/, ["form", "json"]),
    call("audio", /^\/audio\/speech$/),
    call("audio", /^\/audio\/(?:transcriptions|translations)$/, ["form"]),
    call("video", /^\/videos$/, ["form", "json"]),
    get("catalogue", /^\/models$/),
    get("call", /^\/models\/(?<model>[^/]+)$/),
  ],
  anthropic: [
    call("completion", /^\/messages$/),
    call("count_tokens", /^\/messages\/count_tokens$/),
    { ...call("batch", /^\/messages\/batches$/), kind: "batch" },
    get("catalogue", /^\/models$/),
    get("call", /^\/models\/(?<model>[^/]+)$/),
    // Amazon Bedrock and Google Vertex name the model in the URL.
    call("completion", /^\/model\/(?<model>[^/]+)\/invoke(?:-with-response-stream)?$/),
    call(
      "count_tokens",
      /^\/projects\/[^/]+\/locations\/[^/]+\/publishers\/anthropic\/models\/count-tokens:rawPredict$/,
    ),
    call(
      "completion",
      /^\/projects\/[^/]+\/locations\/[^/]+\/publishers\/anthropic\/models\/(?<model>[^/:]+):(?:rawPredict|streamRawPredict)$/,
    ),
  ],
};

export interface RoutedRequest {
  readonly route: Route;
  /** The model that the URL names: an Azure deployment, or Bedrock's and Vertex' path. */
  readonly model?: string;
}

/** Azure puts the deployment, which is the model that runs, before the endpoint. */
const AZURE_DEPLOYMENT = /^\/deployments\/([^/]+)(?=\/)/;

/** Finds the endpoint of a path below the base URL. `undefined`: not known, to be denied. */
export function findRoute(api: ModelApi, method: string, pathBelowBase: string): RoutedRequest | undefined {
  // Base URLs are given with and without the version.
  let path = pathBelowBase.replace(/^\/v1(?=\/)/, "");
  const deployment = api === "openai" ? AZURE_DEPLOYMENT.exec(path)?.[1] : undefined;
  if (deployment !== undefined) path = path.replace(AZURE_DEPLOYMENT, "");
  for (const route of ROUTES[api]) {
    const match = route.method === method ? route.path.exec(path) : null;
    if (!match) continue;
    const encoded = deployment ?? match.groups?.model;
    if (encoded === undefined) return { route };
    const model = decode(encoded);
    return model === undefined ? undefined : { route, model };
  }
  return undefined;
}

/** An id may hold an encoded slash (`meta-llama%2FLlama-3`), but not one that leads a server which decodes it to another endpoint. */
function decode(segment: string): string | undefined {
  try {
    const model = decodeURIComponent(segment);
    return model.split(/[/\\]/).some((step) => step === "." || step === "..") ? undefined : model;
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
