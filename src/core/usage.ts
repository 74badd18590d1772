import type { GuardContext } from "./context";
import type { HopSnapshot } from "./hop";
import type { JsonObject } from "./json";
import type { Usage, UsageAccount } from "./ports";
import type { ModelFacts } from "./model-facts";

/** What a provider says that a call has used. Whole numbers; reasoning tokens are among the output tokens. */
export interface TokenUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly reasoning_tokens?: number;
}

/** What usage is counted over, and what is assumed where nobody can know. */
export interface UsageOptions {
  /** Windows of time in milliseconds, by the names under which policies read them. They begin at whole multiples since 1970. */
  readonly windows: Readonly<Record<string, number>>;
  /** Output tokens that a call reserves if neither the request nor the model's facts bound them. */
  readonly assumedOutputTokens: number;
}

export const NO_USAGE: Usage = Object.freeze({
  calls: 0,
  input_tokens: 0,
  output_tokens: 0,
  reasoning_tokens: 0,
  cost_micros: 0,
});

const DAY_MS = 86_400_000;
/** A session or a task that nothing was counted for in this time is over. */
const KEPT_MS = 30 * DAY_MS;

/** The sums that a hop is counted in: of its session and task in total, of principal and agent in windows of time. */
export function accountsOf(
  { windows }: UsageOptions,
  ids: {
    readonly session: string;
    readonly task: string | undefined;
    readonly principal: string;
    readonly agent: string;
  },
  now: number,
): readonly UsageAccount[] {
  const total = (scope: UsageAccount["scope"], id: string): UsageAccount => ({
    scope,
    id,
    window: "total",
    index: 0,
    expiresAt: now + KEPT_MS,
  });
  const perWindow = (scope: UsageAccount["scope"], id: string): UsageAccount[] =>
    Object.entries(windows).map(([window, ms]) => {
      const index = Math.floor(now / ms);
      return { scope, id, window, index, expiresAt: (index + 1) * ms };
    });
  return [
    total("session", ids.session),
    ...(ids.task === undefined ? [] : [total("task", ids.task)]),
    ...perWindow("principal", ids.principal),
    ...perWindow("agent", ids.agent),
  ];
}

/** `R.attr.context.usage`: the sums as policies read them. */
export function usageFacts(accounts: readonly UsageAccount[], sums: readonly Usage[]): JsonObject {
  const facts: Record<string, Record<string, JsonObject> | JsonObject> = {};
  accounts.forEach(({ scope, window }, index) => {
    const { cost_micros, ...sum } = sums[index] ?? NO_USAGE;
    const readable = {
      ...sum,
      tokens: sum.input_tokens + sum.output_tokens,
      cost: cost_micros / 1_000_000,
    };
    facts[scope] = window === "total" ? readable : { ...facts[scope], [window]: readable };
  });
  return facts;
}

/** What a hop may use up at most, as far as that can be known before it runs. */
export function reservation(
  { usage }: GuardContext,
  { kind, attr }: HopSnapshot,
  facts: ModelFacts | undefined,
): Usage {
  if (!usage) return NO_USAGE;
  if (kind !== "llm_model" || !isRequest(attr.request)) return { ...NO_USAGE, calls: 1 };
  const { estimated_input_tokens: input = 0, max_tokens: max, choices = 1, requests = 1 } = attr.request;
  const each =
    wholeNumber(choices) * (isAmount(max) ? max : (facts?.maxOutputTokens ?? usage.assumedOutputTokens));
  const output = wholeNumber(requests) * each;
  return {
    ...priced({ input_tokens: input, output_tokens: output }, facts),
    calls: Math.max(1, wholeNumber(requests)),
  };
}

/** Whether it says both. A provider's own object, under other names, would give back all that was reserved. */
export const isSaid = ({ input_tokens, output_tokens }: TokenUsage): boolean =>
  isAmount(input_tokens) && isAmount(output_tokens);

const isAmount = (value: unknown): value is number => typeof value === "number" && value >= 0;

/** The cost of what was used. */
export function priced(used: TokenUsage, facts: ModelFacts | undefined): Usage {
  const input_tokens = wholeNumber(used.input_tokens);
  const output_tokens = wholeNumber(used.output_tokens);
  const reasoning_tokens = wholeNumber(used.reasoning_tokens ?? 0);
  const { input = 0, output = 0 } = facts?.price ?? {};
  // Prices are for a million tokens, so a token costs that many millionths.
  const cost_micros = Math.ceil(input_tokens * input + output_tokens * output);
  return { calls: 1, input_tokens, output_tokens, reasoning_tokens, cost_micros };
}

/** What is to be added where one amount stands and another is meant. */
export function difference(meant: Usage, stands: Usage): Usage {
  return {
    calls: meant.calls - stands.calls,
    input_tokens: meant.input_tokens - stands.input_tokens,
    output_tokens: meant.output_tokens - stands.output_tokens,
    reasoning_tokens: meant.reasoning_tokens - stands.reasoning_tokens,
    cost_micros: meant.cost_micros - stands.cost_micros,
  };
}

interface RequestFacts {
  readonly estimated_input_tokens?: number;
  readonly max_tokens?: number;
  readonly choices?: number;
  /** Of a batch; none where a request is only about others. */
  readonly requests?: number;
}

function isRequest(value: unknown): value is RequestFacts {
  return typeof value === "object" && value !== null;
}

/** More than any call can use, and little enough that sums of very many stay exact. */
const MAX_TOKENS = 1e9;

/** A negative number would give back what others have used, and 1e300 would swallow it. */
function wholeNumber(value: number): number {
  return value > 0 ? Math.min(Math.ceil(value), MAX_TOKENS) : 0;
}
