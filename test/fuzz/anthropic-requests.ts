import type { Provider } from "./model-oracle";
import { modelRequests, post, type Body, type Endpoint, type Feature } from "./model-requests";

export const ANTHROPIC: Provider = {
  api: "anthropic",
  baseURL: "https://api.anthropic.example/v1",
  hostedServers: { "https://mcp.example/pay": "payments" },
  defaultModels: {},
  prompts: {},
  endpoints: { "POST /files/*": { model: "claude-haiku", action: "files" } },
};

const MODELS = ["claude-opus", "claude-haiku", "claude-team", "anthropic.claude-v2:0"];

const message = (model: string): Body => ({
  model,
  max_tokens: 10,
  messages: [{ role: "user", content: "Hello" }],
});
const endpoint = (
  kind: string,
  path: (model: string) => string,
  body: ((model: string, other: string) => Body) | undefined,
  features = false,
  expects: Endpoint["expects"] = "both",
): Endpoint => ({
  kind,
  features,
  expects,
  draft: (model, other, baseURL) =>
    body
      ? post(baseURL + path(model), body(model, other))
      : { url: baseURL + path(model), method: "GET", headers: [], body: undefined },
});
const withoutModel = (model: string): Body => {
  const { model: _model, ...body } = message(model);
  return body;
};
const batch = (...models: readonly string[]): Body => ({
  requests: models.map((model, index) => ({ custom_id: `r${index}`, params: message(model) })),
});
const vertex = (model: string) => `/projects/p/locations/l/publishers/anthropic/models/${model}:rawPredict`;

const ENDPOINTS: readonly Endpoint[] = [
  endpoint("messages", () => "/messages", message, true),
  endpoint(
    "messages, streamed",
    () => "/messages",
    (model) => ({ ...message(model), stream: true }),
    true,
  ),
  endpoint("count_tokens", () => "/messages/count_tokens", message),
  endpoint("a batch of one", () => "/messages/batches", batch),
  endpoint(
    "a batch of two",
    () => "/messages/batches",
    (model, other) => batch(model, other),
  ),
  endpoint(
    "an empty batch",
    () => "/messages/batches",
    () => batch(),
    false,
    "denied",
  ),
  endpoint(
    "a batch with a model beside",
    () => "/messages/batches",
    (model, other) => ({ ...batch(model), model: other }),
    false,
    "denied",
  ),
  endpoint(
    "a batch with a model in an envelope",
    () => "/messages/batches",
    (model, other) => ({ requests: [{ custom_id: "r", params: message(model), model: other }] }),
    false,
    "denied",
  ),
  endpoint(
    "Bedrock, the model in the URL",
    (model) => `/model/${encodeURIComponent(model)}/invoke`,
    withoutModel,
  ),
  endpoint(
    "Bedrock, and a model in the body",
    (model) => `/model/${model}/invoke`,
    (_model, other) => message(other),
  ),
  endpoint(
    "Bedrock, a model that leads away",
    () => "/model/..%2f..%2fadmin/invoke",
    withoutModel,
    false,
    "denied",
  ),
  endpoint("Vertex, the model in the URL", (model) => vertex(model.replaceAll(":", "%3A")), withoutModel),
  endpoint("one model", (model) => `/models/${encodeURIComponent(model)}`, undefined),
  endpoint("the catalogue", () => "/models", undefined),
  endpoint(
    "an admitted endpoint",
    () => "/files/f1",
    () => ({ model: "claude-haiku", purpose: "x" }),
  ),
  endpoint("a batch by id", () => "/messages/batches/b1", undefined, false, "denied"),
];

const both = (change: Feature["with"]): Feature => ({ expects: "both", with: change });
const denied = (change: Feature["with"]): Feature => ({ expects: "denied", with: change });
const customTool = (name: string) => ({ name, input_schema: { type: "object" } });

const FEATURES: Readonly<Record<string, Feature>> = {
  fallbacks: both((body, model) => ({ ...body, fallbacks: [{ model }] })),
  "an advisor with a model": both((body, model) => ({
    ...body,
    tools: [{ type: "advisor_20260301", name: "advisor", model }],
  })),
  "a model in metadata": both((body, model) => ({ ...body, metadata: { model } })),
  "a hosted tool": both((body) => ({
    ...body,
    tools: [{ type: "web_search_20250305", name: "web_search" }],
  })),
  "a hosted server": both((body) => ({
    ...body,
    mcp_servers: [
      { type: "url", name: "pay", url: "https://mcp.example/pay", authorization_token: "secret" },
    ],
  })),
  "a hosted server without a name": denied((body) => ({
    ...body,
    mcp_servers: [{ type: "url", name: "evil", url: "https://evil.example/mcp" }],
  })),
  "hosted servers that are no list": denied((body) => ({
    ...body,
    mcp_servers: { url: "https://mcp.example/pay" },
  })),
  "declared tools": both((body) => ({ ...body, tools: ["refund", "search", "delete"].map(customTool) })),
  "a declared tool without an origin": both((body) => ({ ...body, tools: [customTool("stranger")] })),
  "an earlier tool call": both((body, model) => ({
    ...body,
    messages: [
      { role: "assistant", content: [{ type: "tool_use", id: "t", name: "refund", input: { model } }] },
    ],
  })),
};

export const anthropic = modelRequests("anthropic", ANTHROPIC.baseURL, MODELS, ENDPOINTS, FEATURES);
