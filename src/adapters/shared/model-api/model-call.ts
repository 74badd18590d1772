import type { Hop } from "../../../core/hop";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json";
import { modelHops } from "./model-hops";
import { namesModel } from "./model-names";
import type { ModelGuard } from "./options";
import type { CheckedBody } from "./request-body";
import { scanRequest, type RequestScan } from "./request-scan";
import type { RoutedRequest } from "./routes";
import { UnsupportedRequestError } from "./unsupported-request";

/** A request to a model, and every hop that it is. */
export interface ModelCall {
  readonly model: string;
  readonly action: string;
  readonly hops: readonly Hop[];
  /** What is declared in a body of JSON. */
  readonly declared: Pick<RequestScan, "tools" | "chosenTools"> | undefined;
}

/**
 * Reads from a request which models it uses and what runs at the provider on its behalf.
 *
 * @throws {UnsupportedRequestError} when a model cannot be seen, or the endpoint and the body name different ones.
 */
export function readModelCall(
  guard: ModelGuard,
  { route: { action, kind }, model: urlModel }: RoutedRequest,
  body: CheckedBody,
  endpoint: string,
): ModelCall {
  if (body.kind !== "json") {
    const model = mainModel(guard, action, urlModel, formModels(body), []);
    return { model, action, declared: undefined, hops: modelHops(guard, endpoint, action, model) };
  }
  if (kind === "batch") return readBatch(guard, body.value, action, endpoint);
  const scan = scanRequest(body.value);
  const model = mainModel(guard, action, urlModel, jsonModels(body.value), scan.storedPrompts);
  const hops = modelHops(guard, endpoint, action, model, { body: body.value, scan });
  return { model, action, declared: scan, hops };
}

/** Anthropic's batches carry whole requests; each is decided like one that is sent by itself. */
function readBatch(guard: ModelGuard, batch: JsonObject, action: string, endpoint: string): ModelCall {
  if (!Array.isArray(batch.requests) || batch.requests.length === 0) {
    throw new UnsupportedRequestError("A batch without requests names no model.");
  }
  const envelopes: JsonObject[] = [];
  const calls = (batch.requests as readonly JsonValue[]).map((request) => {
    if (!isJsonObject(request) || !isJsonObject(request.params))
      throw new UnsupportedRequestError("A request of the batch has no params.");
    const { params, ...envelope } = request;
    envelopes.push(envelope);
    const scan = scanRequest(params);
    const model = mainModel(guard, action, undefined, jsonModels(params), scan.storedPrompts);
    return { model, scan, hops: modelHops(guard, endpoint, action, model, { body: params, scan }) };
  });
  const { models, tools, hosted, hostedServers } = scanRequest({ ...batch, requests: envelopes });
  if ("model" in batch || models.size + tools.length + hosted.length + hostedServers.length > 0)
    throw new UnsupportedRequestError("The batch names models or tools beside those of its requests.");
  return {
    model: calls[0]?.model ?? "",
    action,
    hops: distinct(calls.flatMap(({ hops }) => hops)),
    // Nothing is taken out of a batch: whoever sent it would not learn which of its requests was changed.
    declared: {
      tools: calls.flatMap(({ scan }) => scan.tools.map((tool) => ({ ...tool, list: undefined }))),
      chosenTools: new Set(),
    },
  };
}

/** Checks of one model cannot share a request to the PDP, and a thousand of them outlast its deadline: requests alike are asked about once. */
function distinct(hops: readonly Hop[]): readonly Hop[] {
  return [...new Map(hops.map((hop) => [JSON.stringify(hop), hop])).values()];
}

function jsonModels(body: JsonObject): readonly JsonValue[] {
  return body.model === undefined ? [] : [body.model];
}

function formModels(body: CheckedBody): readonly (string | File)[] {
  if (body.kind !== "form") return [];
  return [...body.form.entries()].filter(([name]) => namesModel(name)).map(([, value]) => value);
}

function mainModel(
  guard: ModelGuard,
  action: string,
  urlModel: string | undefined,
  named: readonly unknown[],
  storedPrompts: readonly string[],
): string {
  for (const prompt of storedPrompts) {
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
    throw new UnsupportedRequestError("The endpoint and the body of the request name different models.");
  }
  const model = urlModel ?? bodyModel ?? guard.defaultModels.get(action);
  if (model === undefined) {
    throw new UnsupportedRequestError(
      `The request names no model; the option \`defaultModels\` says which one the provider takes: { ${action}: "…" }.`,
    );
  }
  return model;
}
