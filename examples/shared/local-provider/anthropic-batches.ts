import type Anthropic from "@anthropic-ai/sdk";
import { jsonBody, type Endpoint, type Exchange } from "./endpoint";
import { keptUnder, type KeptMessageBatch } from "./kept";
import { newId, objectsIn, stringOr } from "./wire";

/** `POST /v1/messages/batches`: accepts a batch, which stays in progress until it is asked for. */
export const messageBatches: Endpoint = async (exchange) => {
  const requests = objectsIn(jsonBody(exchange).requests);
  const results = await Promise.all(
    requests.map(async ({ custom_id, params }) => {
      const response = await exchange.answer("/v1/messages", params);
      const message = (await response.json()) as Anthropic.Message;
      const result: Anthropic.Messages.MessageBatchSucceededResult = { type: "succeeded", message };
      return `${JSON.stringify({ custom_id: stringOr(custom_id, ""), result })}\n`;
    }),
  );
  const created = Date.now();
  const batch: Anthropic.Messages.MessageBatch = {
    id: newId("msgbatch_"),
    type: "message_batch",
    processing_status: "in_progress",
    request_counts: { processing: requests.length, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
    created_at: new Date(created).toISOString(),
    expires_at: new Date(created + 24 * 60 * 60 * 1000).toISOString(),
    ended_at: null,
    archived_at: null,
    cancel_initiated_at: null,
    results_url: null,
  };
  exchange.kept.messageBatches.set(batch.id, { batch, results: results.join("") });
  return Response.json(batch);
};

/** `GET /v1/messages/batches/{id}`: ends a batch that is in progress. */
export const messageBatchById: Endpoint = (exchange) => {
  const { batch } = keptBatch(exchange);
  if (batch.processing_status === "ended") return Response.json(batch);
  const { processing, ...others } = batch.request_counts;
  return changed(exchange, {
    processing_status: "ended",
    request_counts: { ...others, processing: 0, succeeded: processing },
    ended_at: new Date().toISOString(),
    results_url: `${exchange.url}/v1/messages/batches/${batch.id}/results`,
  });
};

/** `GET /v1/messages/batches/{id}/results`. */
export const messageBatchResults: Endpoint = (exchange) =>
  new Response(keptBatch(exchange).results, { headers: { "content-type": "application/x-jsonl" } });

/** `POST /v1/messages/batches/{id}/cancel`. */
export const cancelMessageBatch: Endpoint = (exchange) =>
  changed(exchange, { processing_status: "canceling", cancel_initiated_at: new Date().toISOString() });

/** `DELETE /v1/messages/batches/{id}`. */
export const deleteMessageBatch: Endpoint = (exchange) => {
  const { id } = keptBatch(exchange).batch;
  exchange.kept.messageBatches.delete(id);
  return Response.json({
    id,
    type: "message_batch_deleted",
  } satisfies Anthropic.Messages.DeletedMessageBatch);
};

function keptBatch({ kept, name }: Exchange): KeptMessageBatch {
  return keptUnder(kept.messageBatches, name);
}

function changed(exchange: Exchange, change: Partial<Anthropic.Messages.MessageBatch>): Response {
  const { batch, results } = keptBatch(exchange);
  const next = { ...batch, ...change };
  exchange.kept.messageBatches.set(batch.id, { batch: next, results });
  return Response.json(next);
}
