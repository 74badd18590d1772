import { setTimeout as sleep } from "node:timers/promises";
import type { RecordedRequest } from "./recorded-request";
import { countTokens, newId } from "./wire";

/** The wire format that a turn is asked for in. */
export type WireApi = "openai-chat" | "openai-responses" | "anthropic-messages";

/** What a tool answered to a call of the model's last turn. */
export interface ToolResult {
  /** The id of the call. */
  readonly id: string;
  /** The text that the agent fed back. */
  readonly text: string;
}

/** What the model is asked for. */
export interface TurnRequest {
  readonly api: WireApi;
  readonly model: string;
  /** The body as sent; the conversation is its `messages` or `input`. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The names of the tools that were declared, hosted tools by their type. */
  readonly tools: readonly string[];
  /** Tool results since the model's last turn, oldest first. */
  readonly toolResults: readonly ToolResult[];
  readonly path: string;
  readonly headers: RecordedRequest["headers"];
}

/** One call that the model makes. */
export interface ToolCall {
  readonly name: string;
  /** Sent as JSON. A string is sent as it is, so that a script can play malformed JSON. */
  readonly arguments: unknown;
}

/** What a turn has used, in tokens, as the provider says it. */
export interface TurnUsage {
  readonly input: number;
  readonly output: number;
  /** Among the output. */
  readonly reasoning: number;
}

/** What the model says. Neither text nor tool calls: it says nothing. */
export interface Turn {
  readonly text?: string;
  /** Several are parallel calls of one turn. */
  readonly toolCalls?: readonly ToolCall[];
  /** Default: a token for four characters of what was sent and of what the model says, and no reasoning. */
  readonly usage?: Partial<TurnUsage>;
  /** Milliseconds before each delta of a stream. Default: the provider's option. */
  readonly deltaDelayMs?: number;
  /** Into how many deltas a stream cuts each text and each call's arguments. Default: the provider's option. */
  readonly deltas?: number;
}

/** How a stream is cut. */
export interface Pace {
  readonly deltaDelayMs: number;
  readonly deltas: number;
}

/** A turn with its ids and serialised arguments, the same for the plain answer and the stream. */
export interface PlayedTurn {
  readonly text: string | undefined;
  readonly toolCalls: readonly PlayedCall[];
  /** What the turn has used, given what of the request a model reads. */
  readonly usageFor: (...sent: readonly unknown[]) => TurnUsage;
  /** Yields a text piece by piece, at the turn's pace; nothing for an empty one. */
  readonly cut: (text: string) => AsyncIterable<string>;
}

/** A tool call as the wire formats need it. */
export interface PlayedCall extends ToolCall {
  readonly id: string;
  readonly json: string;
}

/** Prepares a turn for the wire. The prefix of the calls' ids is the provider's: `call_` or `toolu_`. */
export function playTurn(turn: Turn, pace: Pace, idPrefix: string): PlayedTurn {
  const { text, usage, deltaDelayMs = pace.deltaDelayMs, deltas = pace.deltas } = turn;
  const toolCalls = (turn.toolCalls ?? []).map((call) => ({
    ...call,
    id: newId(idPrefix),
    json: typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments),
  }));
  const tokensOf = (parts: readonly unknown[]): number =>
    parts.map(countTokens).reduce((sum, tokens) => sum + tokens, 0);
  return {
    text,
    toolCalls,
    usageFor: (...sent) => ({
      input: tokensOf(sent),
      output: tokensOf([text, ...toolCalls.map(({ json }) => json)]),
      reasoning: 0,
      ...usage,
    }),
    async *cut(text) {
      // By code point: a half of a surrogate pair does not survive UTF-8.
      const characters = Array.from(text);
      const size = Math.max(1, Math.ceil(characters.length / deltas));
      for (let start = 0; start < characters.length; start += size) {
        if (deltaDelayMs > 0) await sleep(deltaDelayMs);
        yield characters.slice(start, start + size).join("");
      }
    },
  };
}

/** The turn of a provider without a script. */
export function echoTurn({ model }: TurnRequest): Turn {
  return { text: `This is ${model}.` };
}
