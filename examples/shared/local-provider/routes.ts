import {
  cancelMessageBatch,
  deleteMessageBatch,
  messageBatchById,
  messageBatches,
  messageBatchResults,
} from "./anthropic-batches";
import { messages, messageTokens } from "./anthropic-messages";
import type { Endpoint } from "./endpoint";
import { anthropicModelById, anthropicModels, openaiModelById, openaiModels } from "./models";
import {
  batchById,
  cancelBatch,
  createBatch,
  deleteFile,
  fileById,
  fileContent,
  uploadFile,
} from "./openai-batches";
import { chatCompletions } from "./openai-chat";
import { embeddings, moderations } from "./openai-embeddings";
import { audioSpeech, audioTranscriptions, imageEdits, imageGenerations } from "./openai-media";
import { clientSecrets } from "./openai-realtime";
import { deleteResponse, responseById, responses } from "./openai-responses";
import type { RecordedRequest } from "./recorded-request";
import type { WireApi } from "./script";

/** Whose endpoints a request means. */
export type Provider = "openai" | "anthropic";

/** Where a request leads. */
export interface Route {
  readonly provider: Provider;
  /** Undefined where the provider has no such endpoint. */
  readonly endpoint: Endpoint | undefined;
  /** The id or deployment in the path. */
  readonly name: string | undefined;
}

const endpoints: Readonly<Record<Provider, ReadonlyMap<string, Endpoint>>> = {
  openai: new Map([
    ["POST /chat/completions", chatCompletions],
    ["POST /responses", responses],
    ["GET /responses/{id}", responseById],
    ["POST /responses/{id}/cancel", responseById],
    ["DELETE /responses/{id}", deleteResponse],
    ["POST /files", uploadFile],
    ["GET /files/{id}", fileById],
    ["GET /files/{id}/content", fileContent],
    ["DELETE /files/{id}", deleteFile],
    ["POST /batches", createBatch],
    ["GET /batches/{id}", batchById],
    ["POST /batches/{id}/cancel", cancelBatch],
    ["POST /realtime/client_secrets", clientSecrets],
    ["POST /embeddings", embeddings],
    ["POST /moderations", moderations],
    ["POST /images/generations", imageGenerations],
    ["POST /images/edits", imageEdits],
    ["POST /audio/transcriptions", audioTranscriptions],
    ["POST /audio/speech", audioSpeech],
    ["GET /models", openaiModels],
    ["GET /models/{id}", openaiModelById],
  ]),
  anthropic: new Map([
    ["POST /messages", messages],
    ["POST /messages/count_tokens", messageTokens],
    ["POST /messages/batches", messageBatches],
    ["GET /messages/batches/{id}", messageBatchById],
    ["GET /messages/batches/{id}/results", messageBatchResults],
    ["POST /messages/batches/{id}/cancel", cancelMessageBatch],
    ["DELETE /messages/batches/{id}", deleteMessageBatch],
    ["GET /models", anthropicModels],
    ["GET /models/{id}", anthropicModelById],
  ]),
};

/** What the ids of tool calls begin with. */
export const callIdPrefix: Readonly<Record<WireApi, string>> = {
  "openai-chat": "call_",
  "openai-responses": "call_",
  "anthropic-messages": "toolu_",
};

/** Finds the endpoint. Both providers list models at the same path: Anthropic's SDK says its version in a header. */
export function findRoute({ method, path, headers }: RecordedRequest): Route {
  const pathname = path.split("?")[0] ?? "";
  const anthropic = "anthropic-version" in headers || pathname.startsWith("/v1/messages");
  const provider = anthropic ? "anthropic" : "openai";
  const { place, name } = parsePath(pathname);
  return { provider, endpoint: endpoints[provider].get(`${method} ${place}`), name };
}

/** What is kept, or listed, under an id. */
const WITH_ID = /^(\/models|\/files|\/batches|\/responses|\/messages\/batches)\/([^/]+)(\/[^/]+)?$/;

function parsePath(pathname: string): { place: string; name: string | undefined } {
  const [, azure, operation] = /^\/openai\/deployments\/([^/]+)(\/.+)$/.exec(pathname) ?? [];
  if (azure !== undefined && operation !== undefined) return { place: operation, name: decode(azure) };
  const place = pathname.startsWith("/v1/") ? pathname.slice("/v1".length) : "";
  const [, things, id, rest = ""] = WITH_ID.exec(place) ?? [];
  if (things === undefined || id === undefined) return { place, name: undefined };
  return { place: `${things}/{id}${rest}`, name: decode(id) };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
