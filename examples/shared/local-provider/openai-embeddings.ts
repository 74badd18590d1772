import { createHash } from "node:crypto";
import { jsonBody, requestedModel, type Endpoint } from "./endpoint";
import { countTokens, newId, stringOr, type JsonObject } from "./wire";

const defaultDimensions = 1536;

const categories = [
  "harassment",
  "harassment/threatening",
  "hate",
  "hate/threatening",
  "illicit",
  "illicit/violent",
  "self-harm",
  "self-harm/instructions",
  "self-harm/intent",
  "sexual",
  "sexual/minors",
  "violence",
  "violence/graphic",
];

/** `POST /v1/embeddings`: a vector of length one for each input, the same for the same input. */
export const embeddings: Endpoint = (exchange) => {
  const body = jsonBody(exchange);
  const dimensions = typeof body.dimensions === "number" ? body.dimensions : defaultDimensions;
  const data = inputsOf(body).map((input, index) => {
    const vector = unitVector(JSON.stringify(input), dimensions);
    return {
      object: "embedding",
      index,
      embedding: body.encoding_format === "base64" ? toBase64(vector) : Array.from(vector),
    };
  });
  const tokens = countTokens(body.input);
  return Response.json({
    object: "list",
    model: requestedModel(exchange),
    data,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  });
};

/** `POST /v1/moderations`: flags nothing. */
export const moderations: Endpoint = (exchange) => {
  const body = jsonBody(exchange);
  const forEach = <Value>(value: Value) => Object.fromEntries(categories.map((name) => [name, value]));
  const results = inputsOf(body).map(() => ({
    flagged: false,
    categories: forEach(false),
    category_scores: forEach(0),
    category_applied_input_types: forEach(["text"]),
  }));
  return Response.json({
    id: newId("modr-"),
    model: stringOr(body.model, "omni-moderation-latest"),
    results,
  });
};

/** One input or several: a list of numbers is one input, given as tokens. */
function inputsOf({ input }: JsonObject): unknown[] {
  return Array.isArray(input) && typeof input[0] !== "number" ? input : [input];
}

function unitVector(text: string, dimensions: number): Float32Array {
  const seed = createHash("shake256", { outputLength: dimensions }).update(text).digest();
  const centred = Array.from(seed, (byte) => byte - 127.5);
  const length = Math.hypot(...centred);
  return Float32Array.from(centred, (value) => value / length);
}

function toBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer).toString("base64");
}
