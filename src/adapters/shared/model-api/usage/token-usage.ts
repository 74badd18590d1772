import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import type { TokenUsage } from "../../../../core/usage";

/** What a provider has said so far. What it has not said, or what makes no sense, is `undefined`. */
export interface SaidUsage {
  readonly input: number | undefined;
  readonly output: number | undefined;
  readonly reasoning: number | undefined;
}

export const NOTHING_SAID: SaidUsage = { input: undefined, output: undefined, reasoning: undefined };

/** What was used, once both input and output were said: half of it would give back the reservation of the other half. */
export function complete({ input, output, reasoning = 0 }: SaidUsage): TokenUsage | undefined {
  if (input === undefined || output === undefined) return undefined;
  return { input_tokens: input, output_tokens: output, reasoning_tokens: reasoning };
}

/** What an answer, or one more event of a stream, says, beside what was said before it. Of two words the larger counts. */
export function hear(before: SaidUsage, { usage, response, message }: JsonObject): SaidUsage {
  const begun = readUsage(memberOf(message, "usage"));
  return [
    readUsage(usage),
    readUsage(memberOf(response, "usage")),
    // Anthropic's stream begins with a message whose output is none yet.
    { ...begun, output: undefined },
  ].reduce(larger, before);
}

/**
 * Any of the formats: chat completions and embeddings (`prompt_tokens`), Responses and images (`input_tokens`), Anthropic (`input_tokens`, and
 * beside them what was written to and read from its cache).
 */
function readUsage(usage: JsonValue | undefined): SaidUsage {
  if (!isObject(usage)) return NOTHING_SAID;
  const { cache_creation_input_tokens: written, cache_read_input_tokens: read, total_tokens: total } = usage;
  const given = usage.input_tokens ?? usage.prompt_tokens;
  const input = sum([given, written ?? 0, read ?? 0]);
  // Embeddings have no output, and say so by their total alone.
  const rest = typeof total === "number" && input !== undefined ? total - input : undefined;
  const details = [usage.output_tokens_details, usage.completion_tokens_details].find(isObject);
  return {
    input,
    output: count(usage.output_tokens ?? usage.completion_tokens ?? rest),
    reasoning: count(details?.reasoning_tokens ?? details?.thinking_tokens),
  };
}

function larger(a: SaidUsage, b: SaidUsage): SaidUsage {
  const of = (one: number | undefined, other: number | undefined): number | undefined =>
    one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);
  return {
    input: of(a.input, b.input),
    output: of(a.output, b.output),
    reasoning: of(a.reasoning, b.reasoning),
  };
}

function sum(values: readonly (JsonValue | undefined)[]): number | undefined {
  return values.map(count).reduce((a, b) => (a === undefined || b === undefined ? undefined : a + b), 0);
}

function count(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function memberOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return isObject(value) ? value[name] : undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return value !== undefined && isJsonObject(value);
}
