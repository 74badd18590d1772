import type OpenAI from "openai";
import { jsonBody, type Endpoint, type Exchange } from "./endpoint";
import { FaultError } from "./errors";
import { keptUnder, type KeptFile } from "./kept";
import { newId, stringOr, unixSeconds, type JsonObject } from "./wire";

/** `POST /v1/files`, with a form. */
export const uploadFile: Endpoint = ({ request: { fields = [] }, kept }) => {
  const upload = fields.find(({ name }) => name === "file");
  const purpose = fields.find(({ name }) => name === "purpose")?.value;
  if (upload?.content === undefined || purpose === undefined)
    throw new FaultError({ status: 400, message: "'file' and 'purpose' are required properties" });
  const content = new Uint8Array(upload.content);
  const kindOfFile = purpose as OpenAI.FileObject["purpose"];
  return Response.json(keepFile(kept.files, upload.filename ?? "upload", kindOfFile, content));
};

/** `GET /v1/files/{id}`. */
export const fileById: Endpoint = ({ name, kept }) => Response.json(keptUnder(kept.files, name).file);

/** `GET /v1/files/{id}/content`. */
export const fileContent: Endpoint = ({ name, kept }) => new Response(keptUnder(kept.files, name).content);

/** `DELETE /v1/files/{id}`. */
export const deleteFile: Endpoint = ({ name, kept }) => {
  const { id } = keptUnder(kept.files, name).file;
  kept.files.delete(id);
  return Response.json({ id, object: "file", deleted: true } satisfies OpenAI.FileDeleted);
};

/** `POST /v1/batches`: accepts the batch; it is done when it is asked for. */
export const createBatch: Endpoint = (exchange) => {
  const { input_file_id, endpoint, completion_window } = jsonBody(exchange);
  const { id } = keptUnder(exchange.kept.files, input_file_id).file;
  return keepBatch(exchange, {
    id: newId("batch_"),
    object: "batch",
    endpoint: stringOr(endpoint, ""),
    input_file_id: id,
    completion_window: stringOr(completion_window, "24h"),
    created_at: unixSeconds(),
    status: "validating",
  });
};

/** `GET /v1/batches/{id}`: runs a batch that has not run yet. */
export const batchById: Endpoint = async (exchange) => {
  const batch = keptUnder(exchange.kept.batches, exchange.name);
  if (batch.status !== "validating") return Response.json(batch);
  const { content } = keptUnder(exchange.kept.files, batch.input_file_id);
  const lines = new TextDecoder().decode(content).split("\n").filter(Boolean);
  const results = await Promise.all(lines.map((line) => result(exchange, line)));
  const output = new TextEncoder().encode(results.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const { id } = keepFile(exchange.kept.files, `${batch.id}_output.jsonl`, "batch_output", output);
  const request_counts = { total: lines.length, completed: lines.length, failed: 0 };
  return keepBatch(exchange, { ...batch, status: "completed", output_file_id: id, request_counts });
};

/** `POST /v1/batches/{id}/cancel`. */
export const cancelBatch: Endpoint = (exchange) =>
  keepBatch(exchange, { ...keptUnder(exchange.kept.batches, exchange.name), status: "cancelling" });

async function result(exchange: Exchange, line: string): Promise<object> {
  const { custom_id, url, body } = JSON.parse(line) as JsonObject;
  const response = await exchange.answer(stringOr(url, ""), body);
  const answer: unknown = await response.json();
  const id = newId("batch_req_");
  return {
    id,
    custom_id,
    response: { status_code: response.status, request_id: newId("req_"), body: answer },
    error: null,
  };
}

function keepBatch({ kept }: Exchange, batch: OpenAI.Batch): Response {
  kept.batches.set(batch.id, batch);
  return Response.json(batch);
}

function keepFile(
  files: Map<string, KeptFile>,
  filename: string,
  purpose: OpenAI.FileObject["purpose"],
  content: Uint8Array<ArrayBuffer>,
): OpenAI.FileObject {
  const file: OpenAI.FileObject = {
    id: newId("file-"),
    object: "file",
    bytes: content.length,
    created_at: unixSeconds(),
    filename,
    purpose,
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- still a required member of the object on the wire.
    status: "processed",
  };
  files.set(file.id, { file, content });
  return file;
}
