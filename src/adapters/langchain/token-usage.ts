import type { TokenUsage } from "../../core/usage";

type Members = Readonly<Record<string, unknown>>;

/** What a model's answer says that it used: a message, an `LLMResult`, or what an agent makes of it. `undefined` where it does not say all. */
export function usageOf(answer: unknown): TokenUsage | undefined {
  const { usage_metadata, generations, messages, llmOutput } = membersOf(answer);
  const [inner] = [generations, messages].flat(2).map((entry) => membersOf(entry).message ?? entry);
  const said = membersOf(
    usage_metadata ?? membersOf(inner).usage_metadata ?? membersOf(llmOutput).tokenUsage,
  );
  const { reasoning = 0 } = membersOf(said.output_token_details);
  const input = said.input_tokens ?? said.promptTokens;
  const output = said.output_tokens ?? said.completionTokens;
  if (!isCount(input) || !isCount(output) || !isCount(reasoning)) return undefined;
  return { input_tokens: input, output_tokens: output, reasoning_tokens: reasoning };
}

function membersOf(value: unknown): Members {
  return typeof value === "object" && value !== null ? (value as Members) : {};
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
