import type { Provider } from "./model-oracle";
import { modelRequests, post, type Body, type Endpoint, type Feature } from "./model-requests";

export const OPENAI: Provider = {
  api: "openai",
  baseURL: "https://api.example/v1",
  hostedServers: { "https://mcp.example/pay": "payments", connector_mail: "mail" },
  defaultModels: { moderation: "omni-moderation" },
  prompts: { pmpt_1: "gpt-4o" },
  endpoints: { "POST /files/*": { model: "gpt-4o-mini", action: "files" } },
};

const MODELS = ["gpt-4o", "gpt-4o-mini", "o3", "team-fast", "llama3:8b"];
/** Each is another model than it seems, or none. */
const NO_MODELS = ["gpt-4o ", "gpt-4\u043e", "", "\u0000", 7, null, ["gpt-4o"], { id: "gpt-4o" }];

const hello = [{ role: "user", content: "Hello" }];
const endpoint = (
  kind: string,
  path: string,
  body: (model: string, other: string) => Body,
  features = false,
  expects: Endpoint["expects"] = "both",
): Endpoint => ({
  kind,
  features,
  expects,
  draft: (model, other, baseURL) => post(baseURL + path, body(model, other)),
});
const form = (kind: string, path: string, fields: readonly (readonly [string, string])[]): Endpoint => ({
  kind,
  features: false,
  expects: "both",
  draft: (model, _other, baseURL) => ({
    url: baseURL + path,
    method: "POST",
    headers: [],
    body: { fields: [["model", model], ...fields] },
  }),
});
const get = (kind: string, path: (model: string) => string): Endpoint => ({
  kind,
  features: false,
  expects: "both",
  draft: (model, _other, baseURL) => ({
    url: baseURL + path(model),
    method: "GET",
    headers: [],
    body: undefined,
  }),
});

const ENDPOINTS: readonly Endpoint[] = [
  endpoint("chat", "/chat/completions", (model) => ({ model, messages: hello, stream: true }), true),
  endpoint("responses", "/responses", (model) => ({ model, input: "Hello", max_output_tokens: 10 }), true),
  endpoint("completions", "/completions", (model) => ({ model, prompt: "Hello" }), true),
  endpoint("embeddings", "/embeddings", (model) => ({ model, input: ["a", "b"] })),
  endpoint("moderations", "/moderations", () => ({ input: "Hello" })),
  endpoint("images", "/images/generations", (model) => ({ model, prompt: "A cat" })),
  form("image edits, multipart", "/images/edits", [
    ["prompt", "A cat"],
    ["image", "bytes"],
  ]),
  form("transcriptions, multipart", "/audio/transcriptions", [["file", "bytes"]]),
  { ...form("multipart with two models", "/images/edits", [["model", "gpt-4o-mini"]]), expects: "denied" },
  { ...form("multipart with a fallback", "/images/edits", [["fallback_model", "o3"]]), expects: "denied" },
  endpoint("speech", "/audio/speech", (model) => ({ model, input: "Hello", voice: "x" })),
  get("one model", (model) => `/models/${encodeURIComponent(model)}`),
  get("the catalogue", () => "/models"),
  endpoint("v1 twice", "/v1/chat/completions", (model) => ({ model, messages: hello })),
  {
    kind: "Azure, the model in the URL",
    features: false,
    expects: "both",
    draft: (model, _other, baseURL) =>
      post(`${baseURL}/deployments/${encodeURIComponent(model)}/chat/completions?api-version=1`, {
        messages: hello,
      }),
  },
  {
    kind: "Azure, and a model in the body",
    features: false,
    expects: "both",
    draft: (model, other, baseURL) =>
      post(`${baseURL}/deployments/${model}/chat/completions`, { model: other, messages: hello }),
  },
  {
    kind: "a model that is none",
    features: false,
    expects: "denied",
    draft: (one, other, baseURL) => {
      const any = MODELS.indexOf(one) * MODELS.length + MODELS.indexOf(other);
      return post(`${baseURL}/chat/completions`, {
        model: NO_MODELS[any % NO_MODELS.length],
        messages: hello,
      });
    },
  },
  endpoint("an admitted endpoint", "/files/f1", () => ({ model: "gpt-4o-mini", purpose: "x" })),
  endpoint("an admitted endpoint for another model", "/files/f1", () => ({ model: "o3" }), false, "denied"),
];

const both = (change: Feature["with"]): Feature => ({ expects: "both", with: change });
const denied = (change: Feature["with"]): Feature => ({ expects: "denied", with: change });
const functionTool = (name: string) => ({
  type: "function",
  function: { name, parameters: { type: "object" } },
});

const FEATURES: Readonly<Record<string, Feature>> = {
  "more models to fall back on": both((body, model) => ({ ...body, models: [model, "o3"] })),
  fallbacks: both((body, model) => ({ ...body, fallbacks: [{ model, max_tokens: 5 }] })),
  "a model by another name": both((body, model) => ({ ...body, engine: model })),
  "a model in a session": both((body, model) => ({ ...body, session: { model } })),
  "a model in a grader": both((body, model) => ({ ...body, grader: { type: "score", model } })),
  "a hosted tool with a model": both((body, model) => ({
    ...body,
    tools: [{ type: "image_generation", model }],
  })),
  "a model in metadata": both((body, model) => ({ ...body, metadata: { model } })),
  "hosted web search": both((body) => ({
    ...body,
    tools: [{ type: "web_search" }, { type: "code_interpreter" }],
  })),
  web_search_options: both((body) => ({ ...body, web_search_options: {} })),
  "a data source": both((body) => ({ ...body, data_sources: [{ type: "azure_search" }] })),
  "a plugin": both((body) => ({ ...body, plugins: [{ id: "web" }] })),
  "a hosted server": both((body) => ({
    ...body,
    tools: [{ type: "mcp", server_label: "pay", server_url: "https://mcp.example/pay" }],
  })),
  "a hosted connector": both((body) => ({
    ...body,
    tools: [{ type: "mcp", connector_id: "connector_mail" }],
  })),
  "a hosted server without a name": denied((body) => ({
    ...body,
    tools: [{ type: "mcp", server_url: "https://evil.example/mcp" }],
  })),
  "a hosted server in upper case": denied((body) => ({
    ...body,
    tools: [{ type: "MCP", server_url: "https://evil.example/mcp" }],
  })),
  "declared tools": both((body) => ({ ...body, tools: ["refund", "search", "delete"].map(functionTool) })),
  "a declared tool without an origin": both((body) => ({ ...body, tools: [functionTool("stranger")] })),
  "a chosen tool": both((body) => ({
    ...body,
    tools: [functionTool("refund")],
    tool_choice: { type: "function", function: { name: "refund" } },
  })),
  "a tool with two names": denied((body) => ({
    ...body,
    tools: [{ ...functionTool("refund"), name: "search" }],
  })),
  "tools that are no list": denied((body) => ({ ...body, tools: { refund: functionTool("refund") } })),
  "a stored prompt": both(({ model: _model, prompt: _prompt, ...body }) => ({
    ...body,
    prompt: { id: "pmpt_1" },
  })),
  "a stored prompt beside a model": both((body) => ({ ...body, prompt: { id: "pmpt_1" } })),
  "a stored prompt that nobody admits": denied((body) => ({ ...body, prompt: { id: "pmpt_2" } })),
};

export const openai = modelRequests("openai", OPENAI.baseURL, MODELS, ENDPOINTS, FEATURES);
