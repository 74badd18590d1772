import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json";
import type { ResourceKind } from "./created-resources";

/** The two wire formats that most providers and gateways speak. */
export type ModelApi = "openai" | "anthropic";

/** Where an endpoint's request is read from, and what it does. */
export interface Route {
  readonly action: string;
  /**
   * `batch`: whole requests in a list. `upload`: whole requests in a file. `run`: the requests of an uploaded file. `created`: what an earlier
   * request has created. `catalogue`: the answer lists models and is filtered. `admitted`: known from the option `endpoints` alone.
   */
  readonly kind: "call" | "batch" | "upload" | "run" | "created" | "catalogue" | "admitted";
  readonly content: readonly ("json" | "form" | "none")[];
  /** Where the main model stands, if not in `model`. */
  readonly modelIn?: (body: JsonObject) => JsonValue | undefined;
  /** The members that limit its answer. Those of another endpoint limit nothing here. Default: all that do so anywhere. */
  readonly limits?: readonly string[];
  /** What the answer's id names: it may be asked for later. */
  readonly creates?: ResourceKind;
  /** What the id in the path may name. */
  readonly resource?: readonly ResourceKind[];
}

interface KnownRoute extends Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** Matched against the path below the base URL; `model` is a model that stands in the path, `id` what was created. */
  readonly path: RegExp;
}

const call = (action: string, path: RegExp, more: Partial<Route> = {}): KnownRoute => ({
  method: "POST",
  path,
  action,
  kind: "call",
  content: ["json"],
  ...more,
});
const get = (kind: Route["kind"], path: RegExp): KnownRoute => ({
  method: "GET",
  path,
  action: "list",
  kind,
  content: ["none"],
});
const created = (
  action: string,
  method: KnownRoute["method"],
  path: RegExp,
  resource: readonly ResourceKind[],
  creates?: ResourceKind,
): KnownRoute => ({
  method,
  path,
  action,
  kind: "created",
  content: ["none"],
  resource,
  ...(creates && { creates }),
});

const CHAT_LIMITS = { limits: ["max_completion_tokens", "max_tokens"] };
const RESPONSES_LIMITS = { limits: ["max_output_tokens"] };
const MESSAGES_LIMITS = { limits: ["max_tokens"] };

const member = (value: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined =>
  path.reduce((inner, name) => (isJsonObject(inner) ? inner[name] : undefined), value);
/** A session that only transcribes has no other model. */
const ofSession = ({ session }: JsonObject): JsonValue | undefined =>
  member(session, "type") === "transcription"
    ? member(session, "audio", "input", "transcription", "model")
    : member(session, "model");
const ofTranscription = (body: JsonObject): JsonValue | undefined =>
  member(body, "input_audio_transcription", "model");

/**
 * What is known of each API. Default deny: an endpoint that is not here is refused, because nobody can say where in its request a model
 * stands, or what runs behind it (agents, workflows, fine-tuning, a connection that is opened beside HTTP).
 */
export const ROUTES: Readonly<Record<ModelApi, readonly KnownRoute[]>> = {
  openai: [
    call("completion", /^\/chat\/completions$/, CHAT_LIMITS),
    call("completion", /^\/completions$/, CHAT_LIMITS),
    call("completion", /^\/responses$/, { ...RESPONSES_LIMITS, creates: "response" }),
    call("completion", /^\/responses\/compact$/, RESPONSES_LIMITS),
    call("count_tokens", /^\/responses\/input_tokens$/),
    created("completion", "GET", /^\/responses\/(?<id>[^/]+)(?:\/input_items)?$/, ["response"]),
    created("completion", "POST", /^\/responses\/(?<id>[^/]+)\/cancel$/, ["response"]),
    created("completion", "DELETE", /^\/responses\/(?<id>[^/]+)$/, ["response"]),
    call("completion", /^\/threads\/(?:[^/%]+\/)?runs$/, CHAT_LIMITS),
    call("embedding", /^\/embeddings$/),
    call("moderation", /^\/moderations$/),
    call("image", /^\/images\/generations$/),
    call("image", /^\/images\/(?:edits|variations)$/, { content: ["form", "json"] }),
    call("audio", /^\/audio\/speech$/),
    call("audio", /^\/audio\/(?:transcriptions|translations)$/, { content: ["form"] }),
    call("video", /^\/videos$/, { content: ["form", "json"] }),
    call("realtime", /^\/realtime\/sessions$/),
    call("realtime", /^\/realtime\/transcription_sessions$/, { modelIn: ofTranscription }),
    call("realtime", /^\/realtime\/(?:translations\/)?client_secrets$/, { modelIn: ofSession }),
    call("realtime", /^\/realtime\/calls\/[^/%]+\/accept$/),
    call("realtime", /^\/live\/sessions(?:\/[^/%]+\/accept)?$/, { modelIn: ofSession }),
    call("batch", /^\/files$/, { kind: "upload", content: ["form"], creates: "batch_file" }),
    created("batch", "GET", /^\/files\/(?<id>[^/]+)(?:\/content)?$/, ["batch_file", "batch_output"]),
    created("batch", "DELETE", /^\/files\/(?<id>[^/]+)$/, ["batch_file", "batch_output"]),
    call("batch", /^\/batches$/, { kind: "run", creates: "batch" }),
    created("batch", "GET", /^\/batches\/(?<id>[^/]+)$/, ["batch"], "batch"),
    created("batch", "POST", /^\/batches\/(?<id>[^/]+)\/cancel$/, ["batch"], "batch"),
    get("catalogue", /^\/models$/),
    get("call", /^\/models\/(?<model>[^/]+)$/),
  ],
  anthropic: [
    call("completion", /^\/messages$/, { ...MESSAGES_LIMITS, creates: "thread" }),
    call("count_tokens", /^\/messages\/count_tokens$/),
    call("batch", /^\/messages\/batches$/, { ...MESSAGES_LIMITS, kind: "batch", creates: "batch" }),
    created("batch", "GET", /^\/messages\/batches\/(?<id>[^/]+)(?:\/results)?$/, ["batch"]),
    created("batch", "POST", /^\/messages\/batches\/(?<id>[^/]+)\/cancel$/, ["batch"]),
    created("batch", "DELETE", /^\/messages\/batches\/(?<id>[^/]+)$/, ["batch"]),
    get("catalogue", /^\/models$/),
    get("call", /^\/models\/(?<model>[^/]+)$/),
    // Amazon Bedrock and Google Vertex name the model in the URL.
    call("completion", /^\/model\/(?<model>[^/]+)\/invoke(?:-with-response-stream)?$/, MESSAGES_LIMITS),
    call(
      "count_tokens",
      /^\/projects\/[^/%]+\/locations\/[^/%]+\/publishers\/anthropic\/models\/count-tokens:rawPredict$/,
    ),
    call(
      "completion",
      /^\/projects\/[^/%]+\/locations\/[^/%]+\/publishers\/anthropic\/models\/(?<model>[^/:]+):(?:rawPredict|streamRawPredict)$/,
      MESSAGES_LIMITS,
    ),
  ],
};

export interface RoutedRequest {
  readonly route: Route;
  /** The model that the URL names: an Azure deployment, or Bedrock's and Vertex' path. */
  readonly model?: string;
  /** What the path names by its id. */
  readonly id?: string;
}
