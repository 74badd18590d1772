import type Anthropic from "@anthropic-ai/sdk";
import type { Session } from "hopguard";
import { guardAnthropic } from "hopguard/anthropic";
import { guardOpenAI, type GuardOpenAIOptions } from "hopguard/openai";
import type OpenAI from "openai";
import type { Desk } from "./desk";
import { anthropicLines, openaiLines } from "./model-sdks";

/** What an agent makes of an answer, whatever the wire format. */
export interface SeenAnswer {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly arguments: unknown }[];
  /** Why the model stopped, in the format's own words. */
  readonly stop: string | null | undefined;
}

/** An SDK and one of its wire formats, in the three ways in which it gives an answer. */
export interface AnswerFormat {
  readonly name: string;
  readonly stop: { readonly calls: string; readonly text: string };
  connect(desk: Desk, session: Session, options?: GuardOpenAIOptions): AnswerReader;
}

export interface AnswerReader {
  /** In one piece. */
  whole(): Promise<SeenAnswer>;
  /** The events of a stream, put together by hand. */
  streamed(): Promise<SeenAnswer>;
  /** The SDK's own helper, which puts them together. */
  helped(): Promise<SeenAnswer>;
}

/** The tools that every request declares, by name, with the type of each argument. */
const TOOLS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  customer_get: { customer: "string" },
  credit: { amount_cents: "integer" },
  refund: { amount_cents: "integer" },
  note: { text: "string" },
};

export const declaredTools = Object.entries(TOOLS).map(([name, types]) => ({
  name,
  parameters: {
    type: "object" as const,
    properties: Object.fromEntries(Object.entries(types).map(([member, type]) => [member, { type }])),
    required: Object.keys(types),
    additionalProperties: false,
  },
}));

export const openaiModel = "gpt-4o-mini";
export const anthropicModel = "claude-haiku-5-5";
const messages = [{ role: "user" as const, content: "Go on." }];

const chat = (line: (typeof openaiLines)[number]): AnswerFormat => ({
  name: `chat completions of ${line.line}`,
  stop: { calls: "tool_calls", text: "stop" },
  connect(desk, session, options) {
    const client = connectOpenAI(line, desk, session, options);
    const tools = declaredTools.map((tool) => ({ type: "function" as const, function: tool }));
    const request = { model: openaiModel, messages, tools };
    const seen = ({ message, finish_reason }: OpenAI.ChatCompletion.Choice): SeenAnswer => ({
      text: message.content ?? "",
      calls: (message.tool_calls ?? []).map((call) =>
        call.type === "function"
          ? { name: call.function.name, arguments: parsed(call.function.arguments) }
          : { name: call.custom.name, arguments: call.custom.input },
      ),
      stop: finish_reason,
    });
    return {
      whole: async () => seen(first((await client.chat.completions.create(request)).choices)),
      streamed: async () => {
        let [text, stop] = ["", null as string | null];
        const calls: { name: string; json: string }[] = [];
        for await (const { choices } of await client.chat.completions.create({ ...request, stream: true })) {
          for (const { delta, finish_reason } of choices) {
            text += delta.content ?? "";
            stop = finish_reason ?? stop;
            for (const { index, function: called } of delta.tool_calls ?? []) {
              const call = (calls[index] ??= { name: "", json: "" });
              call.name += called?.name ?? "";
              call.json += called?.arguments ?? "";
            }
          }
        }
        return { text, stop, calls: calls.map(({ name, json }) => ({ name, arguments: parsed(json) })) };
      },
      helped: async () => {
        const { choices } = await client.chat.completions.stream(request).finalChatCompletion();
        return seen(first(choices));
      },
    };
  },
});

const responses = (line: (typeof openaiLines)[number]): AnswerFormat => ({
  name: `responses of ${line.line}`,
  stop: { calls: "completed", text: "completed" },
  connect(desk, session, options) {
    const client = connectOpenAI(line, desk, session, options);
    const tools = declaredTools.map((tool) => ({ type: "function" as const, strict: true, ...tool }));
    const request = { model: openaiModel, input: "Go on.", tools };
    const seen = ({ output, status }: Pick<OpenAI.Responses.Response, "output" | "status">): SeenAnswer => ({
      text: output
        .flatMap((item) => (item.type === "message" ? item.content : []))
        .map((part) => (part.type === "output_text" ? part.text : ""))
        .join("\n\n"),
      calls: output.flatMap((item) =>
        item.type === "function_call" ? [{ name: item.name, arguments: parsed(item.arguments) }] : [],
      ),
      stop: status,
    });
    return {
      whole: async () => seen(await client.responses.create(request)),
      streamed: async () => {
        const output: OpenAI.Responses.ResponseOutputItem[] = [];
        let [next, deltas] = [0, ""];
        for await (const event of await client.responses.create({ ...request, stream: true })) {
          if (event.sequence_number !== next++) throw new Error(`event ${next} is misnumbered`);
          if (event.type === "response.output_item.added") output[event.output_index] = event.item;
          if (event.type === "response.function_call_arguments.delta") deltas += event.delta;
          if (event.type !== "response.output_item.done") continue;
          output[event.output_index] = event.item;
          if (event.item.type === "function_call" && !deltas.endsWith(event.item.arguments))
            throw new Error("the deltas are not the arguments");
        }
        return seen({ output, status: "completed" });
      },
      helped: async () => seen(await client.responses.stream(request).finalResponse()),
    };
  },
});

const anthropicMessages = ({ line, Anthropic: SDK }: (typeof anthropicLines)[number]): AnswerFormat => ({
  name: `messages of ${line}`,
  stop: { calls: "tool_use", text: "end_turn" },
  connect(desk, session, options) {
    const raw: Anthropic = new SDK({ apiKey: "sk-local", baseURL: desk.provider.anthropicBaseURL });
    const client = guardAnthropic(raw, session, options);
    const tools = declaredTools.map(({ name, parameters }) => ({ name, input_schema: parameters }));
    const request = { model: anthropicModel, max_tokens: 100, messages, tools };
    const seen = ({
      content,
      stop_reason,
    }: Pick<Anthropic.Message, "content" | "stop_reason">): SeenAnswer => ({
      text: content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("\n\n"),
      calls: content.flatMap((block) =>
        block.type === "tool_use" ? [{ name: block.name, arguments: block.input }] : [],
      ),
      stop: stop_reason,
    });
    return {
      whole: async () => seen(await client.messages.create(request)),
      streamed: async () => {
        const texts: string[] = [];
        const calls: { name: string; arguments: unknown }[] = [];
        const blocks: { name: string | undefined; text: string }[] = [];
        let stop: string | null = null;
        for await (const event of await client.messages.create({ ...request, stream: true })) {
          if (event.type === "message_delta") stop = event.delta.stop_reason;
          if (event.type === "content_block_start") {
            if (event.index !== blocks.length) throw new Error(`block ${event.index} is out of order`);
            const { content_block: block } = event;
            blocks.push({ name: block.type === "tool_use" ? block.name : undefined, text: "" });
          }
          if (event.type === "content_block_delta") {
            const block = blocks[event.index];
            if (!block) throw new Error(`block ${event.index} has not begun`);
            if (event.delta.type === "text_delta") block.text += event.delta.text;
            if (event.delta.type === "input_json_delta") block.text += event.delta.partial_json;
          }
        }
        for (const { name, text } of blocks) {
          if (name === undefined) texts.push(text);
          else calls.push({ name, arguments: parsed(text) });
        }
        return { text: texts.join("\n\n"), calls, stop };
      },
      helped: async () => seen(await client.messages.stream(request).finalMessage()),
    };
  },
});

/** Every line of both SDKs, in each of its wire formats. */
export const answerFormats: readonly AnswerFormat[] = [
  ...openaiLines.map(chat),
  ...openaiLines.map(responses),
  ...anthropicLines.map(anthropicMessages),
];

/** The three ways to get an answer. */
export const ways = ["whole", "streamed", "helped"] as const;

function connectOpenAI(
  { OpenAI: SDK }: (typeof openaiLines)[number],
  desk: Desk,
  session: Session,
  options?: GuardOpenAIOptions,
): OpenAI {
  const client = new SDK({ apiKey: "sk-local", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 });
  return guardOpenAI(client, session, options);
}

function first<T>([item]: readonly T[]): T {
  if (item === undefined) throw new Error("the answer is empty");
  return item;
}

const parsed = (json: string): unknown => JSON.parse(json);
