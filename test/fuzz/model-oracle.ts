import { IS_MODEL, scan } from "./loose-scan";
import { Members, readLoosely, type Loose } from "./loose-json";
import type { Need } from "./oracle";
import { Violation } from "./violation";
import { ALIASES } from "./world";

/** A request as the provider got it. */
export interface Received {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly redirect: string | undefined;
  readonly body:
    { readonly text: string } | { readonly form: readonly (readonly [string, unknown])[] } | undefined;
}

/** What the operator has set up, in both APIs: the oracle and the guard read the same. */
export interface Provider {
  readonly api: "openai" | "anthropic";
  readonly baseURL: string;
  readonly hostedServers: Readonly<Record<string, string>>;
  readonly defaultModels: Readonly<Record<string, string>>;
  readonly prompts: Readonly<Record<string, string>>;
  /** Paths below the base URL that are admitted as calls of a model. */
  readonly endpoints: Readonly<Record<string, { readonly model: string; readonly action: string }>>;
}

/** Where a request leads: what is done there, and the model if the path names it. */
interface Place {
  readonly action: string;
  readonly model?: string;
  readonly isCatalogue?: boolean;
  readonly isBatch?: boolean;
}

const OPENAI: Readonly<Record<string, string>> = {
  "POST /chat/completions": "completion",
  "POST /completions": "completion",
  "POST /responses": "completion",
  "POST /embeddings": "embedding",
  "POST /moderations": "moderation",
  "POST /images/generations": "image",
  "POST /images/edits": "image",
  "POST /audio/speech": "audio",
  "POST /audio/transcriptions": "audio",
};
const ANTHROPIC: Readonly<Record<string, string>> = {
  "POST /messages": "completion",
  "POST /messages/count_tokens": "count_tokens",
};

/** Every hop that a request is, by what has arrived of it. Knows the endpoints that the generators know, and no other. */
export function hopsOf(provider: Provider, received: Received): readonly Need[] {
  const place = placeOf(provider, received);
  assertSingleMeaning(received);
  if (place.isCatalogue) return [];
  const common = commonOf(provider);
  const body = received.body && "text" in received.body ? readLoosely(received.body.text) : undefined;
  const fields = received.body && "form" in received.body ? received.body.form : [];
  const formModels = fields.filter(([name]) => IS_MODEL.test(name)).map(([, value]) => value);
  if (!place.isBatch) return distinct(hopsOfCall(provider, place, body, formModels, common));
  const requests = body instanceof Members ? body.get("requests") : undefined;
  if (!(body instanceof Members) || !Array.isArray(requests)) throw new Violation("No batch came upstream.");
  const beside = new Members(body.entries.filter(([key]) => key !== "requests"));
  const calls = requests.map((request) => {
    if (!(request instanceof Members)) throw new Violation("A batch holds what is no request.");
    const { models, hosted } = scan(new Members(request.entries.filter(([key]) => key !== "params")), false);
    if (models.length + hosted.length > 0) throw new Violation("A batch names models beside its requests.");
    return hopsOfCall(provider, place, request.get("params"), [], common);
  });
  if (scan(beside, false).models.length > 0) throw new Violation("A batch names models of its own.");
  return distinct(calls.flat());
}

/** The hops of one request in the file of a batch. */
export function hopsOfLine(provider: Provider, body: Loose | undefined): readonly Need[] {
  return hopsOfCall(provider, { action: "batch" }, body ?? null, [], commonOf(provider));
}

function commonOf({ api, baseURL }: Provider): { readonly provider: string; readonly endpoint: string } {
  return { provider: api, endpoint: baseURL.replace(/\/$/, "") };
}

function placeOf({ api, baseURL, endpoints }: Provider, { url, method }: Received): Place {
  const path = url.startsWith(`${baseURL}/`) ? url.slice(baseURL.length).replace(/\?.*$/, "") : undefined;
  if (path === undefined || /[\\@#]|%2f|%5c|\/\.\.?(?:\/|$)|\/\//i.test(path))
    throw new Violation("A request went elsewhere:", url);
  const below = path.replace(/^\/v1(?=\/)/, "");
  const known = api === "openai" ? OPENAI : ANTHROPIC;
  const [, azure, rest] = /^\/deployments\/([^/]+)(\/.*)$/.exec(below) ?? [];
  const action = known[`${method} ${rest ?? below}`];
  if (action !== undefined)
    return { action, ...(azure !== undefined && { model: decodeURIComponent(azure) }) };
  if (method === "GET" && below === "/models") return { action: "list", isCatalogue: true };
  const [, single] = (method === "GET" ? /^\/models\/([^/]+)$/.exec(below) : null) ?? [];
  if (single !== undefined) return { action: "list", model: decodeURIComponent(single) };
  if (api === "anthropic" && method === "POST") {
    if (below === "/messages/batches") return { action: "batch", isBatch: true };
    const [, bedrock] = /^\/model\/([^/]+)\/invoke$/.exec(below) ?? [];
    const [, vertex] =
      /^\/projects\/p\/locations\/l\/publishers\/anthropic\/models\/([^/:]+):rawPredict$/.exec(below) ?? [];
    const model = bedrock ?? vertex;
    if (model !== undefined) return { action: "completion", model: decodeURIComponent(model) };
  }
  const admitted =
    method === "POST" && /^\/files\/[^/]+$/.test(below) ? endpoints["POST /files/*"] : undefined;
  if (admitted) return admitted;
  throw new Violation("A request went to an endpoint that nobody knows:", method, url);
}

/** Nothing that another reader might read in another way. */
function assertSingleMeaning({ url, headers, redirect }: Received): void {
  if (redirect !== "manual") throw new Violation("A redirect would be followed.");
  if (headers.has("host")) throw new Violation("The request would go to another host.");
  for (const name of [...headers.keys(), ...new URL(url).searchParams.keys()]) {
    if (IS_MODEL.test(name) || /method-override|content-encoding/.test(name))
      throw new Violation("A header or a parameter came upstream that changes the request:", name);
  }
}

function hopsOfCall(
  { prompts, hostedServers, defaultModels }: Provider,
  { action, model: urlModel }: Place,
  body: Loose | undefined,
  formModels: readonly unknown[],
  common: { readonly provider: string; readonly endpoint: string },
): readonly Need[] {
  if (body !== undefined && !(body instanceof Members)) throw new Violation("The body is no object:", body);
  const { models, hosted, servers, prompt } = scan(body ?? new Members([]), true);
  const stored = prompt === undefined ? undefined : prompts[prompt];
  if (prompt !== undefined && stored === undefined)
    throw new Violation("A stored prompt that nobody admits.");
  const named = [urlModel, ...(body?.all("model") ?? []), ...formModels].filter((name) => name !== undefined);
  const [main = stored ?? defaultModels[action]] = named;
  if (typeof main !== "string" || named.some((name) => name !== main))
    throw new Violation("The request names several models, or none:", named);
  // Of a form, and of no body, nothing is known.
  const request = body ? factsOf(body) : { stream: undefined };
  const ids = [...new Set([main, ...models, ...(stored === undefined ? [] : [stored])])];
  return [
    ...ids.flatMap((id) => onModel(id, action, common, request)),
    ...hosted.flatMap((type) => onModel(main, `hosted_tools/${type}`, common)),
    ...servers.map((url) => {
      const server = Object.hasOwn(hostedServers, url) ? hostedServers[url] : undefined;
      if (server === undefined) throw new Violation("The provider was sent to a server without a name:", url);
      const attr = { server, transport: "hosted" };
      return { kind: `mcp_${server}`, name: server, action: "initialize", attr };
    }),
  ];
}

/** A name and what it stands for. */
function onModel(
  requested: string,
  action: string,
  attr: Need["attr"],
  request?: Need["request"],
): readonly Need[] {
  const target = Object.hasOwn(ALIASES, requested) ? ALIASES[requested as keyof typeof ALIASES] : undefined;
  return [requested, ...(target === undefined ? [] : [target])].map((id) => ({
    kind: "llm_model",
    name: requested,
    id,
    action,
    attr: { ...attr, requested },
    ...(request && { request }),
  }));
}

/** What a cap rests on. */
function factsOf(body: Members): NonNullable<Need["request"]> {
  const caps = ["max_completion_tokens", "max_output_tokens", "max_tokens"].map((name) => body.get(name));
  return { stream: body.get("stream") === true, max_tokens: caps.find((cap) => typeof cap === "number") };
}

function distinct(needs: readonly Need[]): readonly Need[] {
  return [...new Map(needs.map((need) => [JSON.stringify(need), need])).values()];
}
