import { messageBatches, messages, messageTokens } from "./anthropic-messages";
import type { Endpoint } from "./endpoint";
import { anthropicModelById, anthropicModels, openaiModelById, openaiModels } from "./models";
import { chatCompletions } from "./openai-chat";
import { embeddings, moderations } from "./openai-embeddings";
import { audioSpeech, audioTranscriptions, imageEdits, imageGenerations } from "./openai-media";
import { responses } from "./openai-responses";
import type { RecordedRequest } from "./recorded-request";
import type { WireApi } from "./script";

/** Whose endpoints a request means. */
export type Provider = "openai" | "anthropic";

/** Where a request leads. */
export interface Route {
  readonly provider: Provider;
  /** Undefined where the provider has no such endpoint. */
  readonly endpoint: Endpoint | undefined;
  /** The model or deployment in the path. */
  readonly name: string | undefined;
}

const endpoints: Readonly<Record<Provider, ReadonlyMap<string, Endpoint>>> = {
  openai: new Map([
    ["POST /chat/completions", chatCompletions],
    ["POST /responses", responses],
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

function parsePath(pathname: string): { place: string; name: string | undefined } {
  const [, azure, operation] = /^\/openai\/deployments\/([^/]+)(\/.+)$/.exec(pathname) ?? [];
  if (azure !== undefined && operation !== undefined) return { place: operation, name: decode(azure) };
  const [, model] = /^\/v1\/models\/([^/]+)$/.exec(pathname) ?? [];
  if (model !== undefined) return { place: "/models/{id}", name: decode(model) };
  return { place: pathname.startsWith("/v1/") ? pathname.slice("/v1".length) : "", name: undefined };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
