import { isBatchFile, readBatchFile } from "./batch-file";
import { followUp, readBatch, readRun } from "./batches";
import { readModelCall, type CallContext, type ModelCall } from "./model-call";
import type { CheckedBody } from "./request-body";
import type { ResolvedRequest } from "./resolve-route";
import { UnsupportedRequestError } from "./unsupported-request";

/** A request that was read: what it is, and what of it may be sent. */
export interface ReadRequest {
  readonly call: ModelCall;
  readonly body: CheckedBody;
}

/**
 * Finds every hop of a request, whatever kind of request it is.
 *
 * @throws {UnsupportedRequestError} for what cannot be seen, naming the option that admits it.
 * @throws {UnreadableBodyError} for what can be read in two ways.
 */
export async function readRequest(
  context: CallContext,
  request: ResolvedRequest,
  method: string,
  body: CheckedBody,
  signal: AbortSignal | undefined,
): Promise<ReadRequest> {
  const { route, origin, admitted } = request;
  if (route.kind === "upload" && body.kind === "form") {
    if (isBatchFile(body)) return readBatchFile(context, request, body.form, signal);
    if (admitted) return { body, call: readModelCall(context, admitted, body) };
    throw new UnsupportedRequestError(
      'A file whose purpose is not "batch" cannot be decided; the option `endpoints` admits it: ' +
        '{ "POST /files": { model: "…", action: "…" } }.',
    );
  }
  if (route.kind === "admitted" && isBatchFile(body)) {
    throw new UnsupportedRequestError("The lines of a batch's file can be read at POST /files only.");
  }
  if (route.kind === "created" && origin) return { body, call: followUp(context, origin, method) };
  if (route.kind === "batch" && body.kind === "json")
    return { body, call: readBatch(context, request, body.value) };
  if (route.kind === "run" && body.kind === "json")
    return { body, call: readRun(context, request, body.value) };
  return { body, call: readModelCall(context, request, body) };
}
