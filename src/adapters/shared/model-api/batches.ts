import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json";
import { CollectedCalls } from "./collected-calls";
import { withoutVersion } from "./find-route";
import { readModelCall, type CallContext, type ModelCall } from "./model-call";
import { modelHops } from "./model-hops";
import { scanRequest } from "./request-scan";
import type { RoutedRequest } from "./routes";
import { UnsupportedRequestError } from "./unsupported-request";
import { forNone } from "./usage/estimate";

/**
 * Anthropic's batches carry whole requests; each is decided like one that is sent by itself.
 *
 * @throws {UnsupportedRequestError} for one of them that would be denied by itself, and for what stands beside them.
 */
export function readBatch(context: CallContext, { route }: RoutedRequest, batch: JsonObject): ModelCall {
  const { requests } = batch;
  if (!Array.isArray(requests) || requests.length === 0) {
    throw new UnsupportedRequestError("A batch without requests names no model.");
  }
  const { countsUsage } = context;
  const calls = new CollectedCalls(countsUsage);
  const ofOne = { ...context, countsUsage: false };
  const envelopes = (requests as readonly JsonValue[]).map((request) => {
    if (!isJsonObject(request) || !isJsonObject(request.params))
      throw new UnsupportedRequestError("A request of the batch has no params.");
    const { params, ...envelope } = request;
    const length = countsUsage ? JSON.stringify(params).length : 0;
    calls.add(readModelCall(ofOne, { route }, { kind: "json", value: params, text: "" }), length);
    return envelope;
  });
  const { models, tools, hosted, hostedServers, stored } = scanRequest({ ...batch, requests: envelopes });
  if (models.size + tools.length + hosted.length + hostedServers.length + stored.length > 0)
    throw new UnsupportedRequestError("The batch names models or tools beside those of its requests.");
  return calls.toCall(route.action);
}

/** `input_blob`, which Azure takes, is another file that nobody has seen. */
const RUN_MEMBERS = new Set([
  "input_file_id",
  "endpoint",
  "completion_window",
  "metadata",
  "output_expires_after",
]);

/**
 * What a batch by file runs: the lines of the file as they were read when it was uploaded, or the model that the option `batchFiles` names.
 *
 * @throws {UnsupportedRequestError} for a file that is neither.
 */
export function readRun(
  { guard, created, endpoint }: CallContext,
  { route: { action }, model: urlModel }: RoutedRequest,
  body: JsonObject,
): ModelCall {
  const other = Object.keys(body).find((name) => !RUN_MEMBERS.has(name));
  if (other !== undefined)
    throw new UnsupportedRequestError("The batch has members that the guard does not know.");
  const { input_file_id: id } = body;
  const uploaded = typeof id === "string" ? created.find(["batch_file"], endpoint, id) : undefined;
  const admitted = typeof id === "string" ? guard.batchFiles.get(id) : undefined;
  if (!uploaded && admitted === undefined) {
    throw new UnsupportedRequestError(
      "The batch runs a file that this client has not uploaded, with models that the guard cannot see; the option `batchFiles` admits it by its id.",
    );
  }
  if (uploaded && (typeof body.endpoint !== "string" || withoutVersion(body.endpoint) !== uploaded.runsAt))
    throw new UnsupportedRequestError("The batch is for another endpoint than the lines of its file.");
  const call = uploaded ?? {
    model: admitted ?? "",
    action,
    declared: undefined,
    hops: modelHops(guard, endpoint, action, admitted ?? ""),
  };
  if (urlModel !== undefined && !modelsOf(call).every((model) => model === urlModel))
    throw new UnsupportedRequestError(
      "The endpoint and the lines of the batch's file name different models.",
    );
  return call;
}

/** What is done with the outcome of an earlier call is decided by the models that it ran on. Asking after it is not counted as another one. */
export function followUp({ countsUsage }: CallContext, origin: ModelCall, method: string): ModelCall {
  const { model, action, hops } = origin;
  const runs = hops.filter((hop) => hop.kind === "llm_model" && hop.action === action);
  const first = [...new Map(runs.toReversed().map((hop) => [hop.id, hop])).values()];
  const asked = countsUsage ? first.map(forNone) : first;
  return { model, action, hops: asked, declared: undefined, origin, isLookUp: method === "GET" };
}

function modelsOf({ action, hops }: ModelCall): readonly (string | undefined)[] {
  return hops.filter((hop) => hop.kind === "llm_model" && hop.action === action).map(({ id }) => id);
}
