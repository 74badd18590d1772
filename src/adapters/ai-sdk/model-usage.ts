import type { TokenUsage } from "../../core/usage";
import type { UsageReader } from "../shared/model-api/usage/usage-reader";

type Members = Readonly<Record<string, unknown>>;

/** What a result says that it has used; `undefined` where it does not say both, so that what was reserved stands. */
export function usageOf(result: unknown): TokenUsage | undefined {
  const { inputTokens, outputTokens, tokens } = membersOf(membersOf(result).usage);
  const input = total(inputTokens) ?? count(tokens);
  // Embeddings have no output.
  const output = total(outputTokens) ?? (count(tokens) === undefined ? undefined : 0);
  if (input === undefined || output === undefined) return undefined;
  const reasoning = count(membersOf(outputTokens).reasoning);
  return {
    input_tokens: input,
    output_tokens: output,
    ...(reasoning !== undefined && { reasoning_tokens: reasoning }),
  };
}

/** For a stream of parts: the last of them says what was used. */
export function partsUsage(): UsageReader<unknown> {
  let finish: unknown;
  return {
    read: (part) => {
      if (membersOf(part).type === "finish") finish = part;
    },
    get isOver() {
      return finish !== undefined;
    },
    end: () => usageOf(finish),
  };
}

/** Language models tell the total apart, image models have only that. */
function total(tokens: unknown): number | undefined {
  return count(membersOf(tokens).total) ?? count(tokens);
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function membersOf(value: unknown): Members {
  return typeof value === "object" && value !== null ? (value as Members) : {};
}
