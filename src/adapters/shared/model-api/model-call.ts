import type { Hop } from "../../../core/hop";
import type { JsonObject, JsonValue } from "../../../core/json";
import { sameUrl, type ModelGuard } from "./options";
import type { CheckedBody } from "./request-body";
import { scanRequest, type RequestScan } from "./request-scan";
import type { RoutedRequest } from "./routes";

/** A request to a model, and every hop that it is. */
export interface ModelCall {
  readonly model: string;
  readonly action: string;
  readonly hops: readonly Hop[];
  readonly scan: RequestScan | undefined;
}

/** A request that is a hop which nobody can decide. The message names the option that admits it. */
export class UnsupportedRequestError extends Error {
  override readonly name = "UnsupportedRequestError";
}

/**
 * Reads from a request which models it uses and what runs at the provider on its behalf.
 *
 * @throws {UnsupportedRequestError} when a model cannot be seen, or URL and body name different ones.
 */
export function readModelCall(
  guard: ModelGuard,
  { route, model: urlModel }: RoutedRequest,
  body: CheckedBody,
  endpoint: string,
): ModelCall {
  const { action } = route;
  if (body.kind === "json" && route.action === "batch") return readBatch(guard, body.value, action, endpoint);
  const scan = body.kind === "json" ? scanRequest(body.value) : undefined;
  const model = mainModel(guard, action, urlModel, bodyModels(body), scan);
  const facts = body.kind === "json" && scan ? requestFacts(body.value, scan) : {};
  return { model, action, scan, hops: hopsOf(guard, action, model, facts, scan, endpoint) };
}

/** Anthropic's batches carry whole requests; each is decided like one that is sent by itself. */
function readBatch(guard: ModelGuard, body: JsonObject, action: string, endpoint: string): ModelCall {
  if (!Array.isArray(body.requests) || body.requests.length === 0) {
    throw new UnsupportedRequestError("A batch without requests names no model.");
  }
  const calls = (body.requests as readonly JsonValue[]).map((request) => {
    const params = (request as { readonly params?: JsonObject } | null)?.params;
    if (typeof params !== "object")
      throw new UnsupportedRequestError("A request of the batch has no params.");
    const value = { kind: "json", text: "", value: params } as const;
    const scan = scanRequest(params);
    const model = mainModel(guard, action, undefined, bodyModels(value), scan);
    return { model, scan, hops: hopsOf(guard, action, model, requestFacts(params, scan), scan, endpoint) };
  });
  // What stands beside the requests may name models, too.
  const { requests: _requests, ...envelope } = body;
  const beside = [...scanRequest(envelope).models].map((model) =>
    modelHop(guard, action, model, {}, endpoint),
  );
  const tools = calls.flatMap(({ scan }) => scan.tools);
  return {
    model: calls[0]?.model ?? "",
    action,
    hops: [...calls.flatMap(({ hops }) => hops), ...beside],
    scan:
      tools.length === 0
        ? undefined
        : { ...scanRequest({}), tools: tools.map((tool) => ({ ...tool, list: undefined })) },
  };
}

function bodyModels(body: CheckedBody): readonly unknown[] {
  if (body.kind === "json") return Object.hasOwn(body.value, "model") ? [body.value.model] : [];
  if (body.kind === "form")
    return [...body.form.entries()]
      .filter(([name]) => /^model(?:\[.*\])?$/i.test(name))
      .map(([, value]) => value);
  return [];
}

function mainModel(
  guard: ModelGuard,
  action: string,
  urlModel: string | undefined,
  named: readonly unknown[],
  scan: RequestScan | undefined,
): string {
  for (const prompt of scan?.storedPrompts ?? []) {
    const model = guard.prompts.get(prompt);
    if (model === undefined) {
      throw new UnsupportedRequestError(
        "A stored prompt brings a model and tools that the guard cannot see; the option `prompts` admits it by its id.",
      );
    }
    if (named.length === 0) return model;
  }
  if (named.length > 1) throw new UnsupportedRequestError("The request names its model more than once.");
  const [bodyModel] = named;
  if (bodyModel !== undefined && typeof bodyModel !== "string")
    throw new UnsupportedRequestError("The request's model is not a string.");
  if (urlModel !== undefined && bodyModel !== undefined && urlModel !== bodyModel) {
    throw new UnsupportedRequestError("The URL and the body of the request name different models.");
  }
  const model = urlModel ?? bodyModel ?? guard.defaultModels.get(action);
  if (model === undefined) {
    throw new UnsupportedRequestError(
      `The request names no model; the option \`defaultModels\` says which one the provider takes: { ${action}: "…" }.`,
    );
  }
  return model;
}

function hopsOf(
  guard: ModelGuard,
  action: string,
  model: string,
  facts: JsonObject,
  scan: RequestScan | undefined,
  endpoint: string,
): readonly Hop[] {
  const hops = [modelHop(guard, action, model, { request: facts }, endpoint)];
  if (!scan) return hops;
  for (const other of scan.models) {
    if (other !== model) hops.push(modelHop(guard, action, other, { request: facts }, endpoint));
  }
  for (const prompt of scan.storedPrompts) {
    const stored = guard.prompts.get(prompt);
    if (stored !== undefined && stored !== model)
      hops.push(modelHop(guard, action, stored, { request: facts }, endpoint));
  }
  for (const { type, declaration } of scan.hosted) {
    hops.push(
      modelHop(
        guard,
        `hosted_tools/${type}`,
        model,
        { declaration: declarationFacts(declaration) },
        endpoint,
      ),
    );
  }
  for (const url of scan.hostedServers) {
    const server = guard.hostedServers.get(sameUrl(url));
    if (server === undefined) {
      throw new UnsupportedRequestError(
        "The request lets the provider call an MCP server that has no name here; the option `hostedServers` maps its URL to one.",
      );
    }
    hops.push({ kind: `mcp_${server}`, action: "initialize", attr: { transport: "hosted" } });
  }
  return hops;
}

function modelHop(
  { provider }: ModelGuard,
  action: string,
  model: string,
  attr: JsonObject,
  endpoint: string,
): Hop {
  return { kind: "llm_model", id: model, action, attr: { provider, endpoint, requested: model, ...attr } };
}

/** `R.attr.request`: what policies may want to know of a request, and none of what it says. */
function requestFacts(body: JsonObject, { tools, hosted }: RequestScan): JsonObject {
  const messages = [body.messages, body.input].find(Array.isArray) as readonly JsonValue[] | undefined;
  const maxTokens = [body.max_completion_tokens, body.max_output_tokens, body.max_tokens].find(
    (value) => typeof value === "number",
  );
  return {
    stream: body.stream === true,
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    message_count:
      messages?.length ?? (typeof body.input === "string" || typeof body.prompt === "string" ? 1 : 0),
    tools: tools.map(({ name }) => name),
    hosted_tools: hosted.map(({ type }) => type),
    ...(Array.isArray(body.modalities) && { modalities: body.modalities }),
  };
}

/** Flat facts of a declaration; headers and authorization are secrets. */
function declarationFacts(declaration: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(declaration).filter(
      ([key, value]) =>
        !/auth|header|token|key|secret/i.test(key) && (typeof value !== "object" || value === null),
    ),
  );
}
