import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import type { TokenUsage } from "../../../../core/usage";

/**
 * What a provider says that a call has used, in any of its formats: chat completions and embeddings (`prompt_tokens`), Responses and images
 * (`input_tokens`), Anthropic (`input_tokens`, and beside them what was written to and read from its cache). `undefined`: it does not say.
 */
export function readTokenUsage(usage: JsonValue | undefined): TokenUsage | undefined {
  if (!isJsonObject(usage)) return undefined;
  const input = count(usage.input_tokens) ?? count(usage.prompt_tokens);
  const output = count(usage.output_tokens) ?? count(usage.completion_tokens);
  if (input === undefined && output === undefined) return undefined;
  const cached =
    (count(usage.cache_creation_input_tokens) ?? 0) + (count(usage.cache_read_input_tokens) ?? 0);
  const details = [usage.output_tokens_details, usage.completion_tokens_details].find(isObject);
  return {
    input_tokens: (input ?? 0) + cached,
    output_tokens: output ?? 0,
    reasoning_tokens: count(details?.reasoning_tokens) ?? 0,
  };
}

/** The larger of each: Anthropic's stream says the input at its beginning and the output, more and more of it, later on. */
export function larger(a: TokenUsage | undefined, b: TokenUsage | undefined): TokenUsage | undefined {
  if (!a || !b) return a ?? b;
  return {
    input_tokens: Math.max(a.input_tokens, b.input_tokens),
    output_tokens: Math.max(a.output_tokens, b.output_tokens),
    reasoning_tokens: Math.max(a.reasoning_tokens ?? 0, b.reasoning_tokens ?? 0),
  };
}

/** Where an answer, or an event of a stream, says what was used. */
export function usageIn(answer: JsonObject): TokenUsage | undefined {
  const within = [answer.response, answer.message].filter(isObject);
  return [answer, ...within].map(({ usage }) => readTokenUsage(usage)).reduce(larger, undefined);
}

function count(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== undefined && isJsonObject(value);
}
