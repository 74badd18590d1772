import type { Session } from "hopguard";
import { guardFetch, type GuardFetchOptions, type ToolMap } from "hopguard/fetch";
import { anthropicModel, declaredTools, openaiModel } from "./answers";

/** A wire format, down to its bytes. */
export interface ByteFormat {
  readonly name: "chat" | "responses" | "messages";
  readonly api: "openai" | "anthropic";
  readonly path: string;
  readonly request: object;
  /** The events of an answer with a text and some calls, each as it stands in a stream. */
  readonly events: (answer: ScriptedAnswer) => readonly string[];
}

export interface ScriptedAnswer {
  readonly text: string;
  readonly calls: readonly { readonly name: string; readonly json: string }[];
}

/** An event, named by its type unless it has none. */
export function event(data: object): string {
  const name = "type" in data ? `event: ${String(data.type)}\n` : "";
  return `${name}data: ${JSON.stringify(data)}\n\n`;
}

const halves = (text: string): readonly [string, string] => {
  const middle = Math.ceil(text.length / 2);
  return [text.slice(0, middle), text.slice(middle)];
};

/** A chunk of a chat stream, with the delta of one choice. */
export const chatChunk = (delta: object, finish_reason: string | null = null, index = 0): string =>
  event({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model: openaiModel,
    choices: [{ index, delta, logprobs: null, finish_reason }],
  });

export const chat: ByteFormat = {
  name: "chat",
  api: "openai",
  path: "/chat/completions",
  request: {
    model: openaiModel,
    messages: [],
    stream: true,
    tools: declaredTools.map((tool) => ({ type: "function", function: tool })),
  },
  events: ({ text, calls }) => [
    chatChunk({ role: "assistant", content: "" }),
    ...halves(text).map((content) => chatChunk({ content })),
    ...calls.flatMap(({ name, json }, index) => [
      chatChunk({
        tool_calls: [{ index, id: `call_${index}`, type: "function", function: { name, arguments: "" } }],
      }),
      ...halves(json).map((piece) => chatChunk({ tool_calls: [{ index, function: { arguments: piece } }] })),
    ]),
    chatChunk({}, calls.length > 0 ? "tool_calls" : "stop"),
    "data: [DONE]\n\n",
  ],
};

/** The items of a Responses output. */
export const responseItems = ({ text, calls }: ScriptedAnswer): readonly object[] => [
  {
    type: "message",
    id: "msg_0",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
  },
  ...calls.map(({ name, json }, index) => ({
    type: "function_call",
    id: `fc_${index}`,
    call_id: `call_${index}`,
    name,
    arguments: json,
    status: "completed",
  })),
];

/** The object that a Responses answer is. */
export const responseObject = (output: readonly object[], status = "completed"): object => ({
  id: "resp_1",
  object: "response",
  status,
  model: openaiModel,
  tools: [{ type: "function", name: "look_up" }],
  output,
});

/** Numbers the events of a Responses stream. */
export const numbered = (events: readonly object[]): readonly string[] =>
  events.map((data, sequence_number) => event({ ...data, sequence_number }));

export const responses: ByteFormat = {
  name: "responses",
  api: "openai",
  path: "/responses",
  request: {
    model: openaiModel,
    input: "Go on.",
    stream: true,
    tools: declaredTools.map((tool) => ({ type: "function", ...tool })),
  },
  events: (answer) => {
    const items = responseItems(answer);
    const [message = {}, ...calls] = items;
    const at = { output_index: 0, item_id: "msg_0", content_index: 0 };
    return numbered([
      { type: "response.created", response: responseObject([], "in_progress") },
      { type: "response.output_item.added", output_index: 0, item: { ...message, content: [] } },
      { type: "response.content_part.added", ...at, part: { type: "output_text", text: "" } },
      ...halves(answer.text).map((delta) => ({ type: "response.output_text.delta", ...at, delta })),
      { type: "response.output_text.done", ...at, text: answer.text },
      { type: "response.output_item.done", output_index: 0, item: message },
      ...calls.flatMap((item, index) => {
        const { json } = answer.calls[index] ?? { json: "" };
        const place = { output_index: index + 1, item_id: `fc_${index}` };
        return [
          { type: "response.output_item.added", ...place, item: { ...item, arguments: "" } },
          ...halves(json).map((delta) => ({
            type: "response.function_call_arguments.delta",
            ...place,
            delta,
          })),
          { type: "response.function_call_arguments.done", ...place, arguments: json },
          { type: "response.output_item.done", ...place, item },
        ];
      }),
      { type: "response.completed", response: responseObject(items) },
    ]);
  },
};

export const anthropicBlocks = ({ text, calls }: ScriptedAnswer): readonly object[] => [
  { type: "text", text, citations: null },
  ...calls.map(({ name, json }, index) => ({
    type: "tool_use",
    id: `toolu_${index}`,
    name,
    input: JSON.parse(json) as unknown,
  })),
];

export const messages: ByteFormat = {
  name: "messages",
  api: "anthropic",
  path: "/v1/messages",
  request: {
    model: anthropicModel,
    max_tokens: 10,
    messages: [],
    stream: true,
    tools: declaredTools.map(({ name, parameters }) => ({ name, input_schema: parameters })),
  },
  events: ({ text, calls }) =>
    [
      { type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", content: [] } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "ping" },
      ...halves(text).map((piece) => ({
        type: "content_block_delta",
        index: 0,
        delta: { type: "text_delta", text: piece },
      })),
      { type: "content_block_stop", index: 0 },
      ...calls.flatMap(({ name, json }, call) => {
        const index = call + 1;
        return [
          {
            type: "content_block_start",
            index,
            content_block: { type: "tool_use", id: `toolu_${call}`, name, input: {} },
          },
          ...halves(json).map((partial_json) => ({
            type: "content_block_delta",
            index,
            delta: { type: "input_json_delta", partial_json },
          })),
          { type: "content_block_stop", index },
        ];
      }),
      {
        type: "message_delta",
        delta: { stop_reason: calls.length > 0 ? "tool_use" : "end_turn", stop_sequence: null },
        usage: { output_tokens: 5, server_tool_use: null },
      },
      { type: "message_stop" },
    ].map(event),
};

export const byteFormats = [chat, responses, messages] as const;

const encoder = new TextEncoder();

/** A stream of a text's bytes in chunks of a size. */
export function chunked(text: string, size = Infinity): ReadableStream<Uint8Array> {
  const bytes = encoder.encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) {
        controller.close();
        return;
      }
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

export interface Scripted extends Omit<GuardFetchOptions, "baseURL" | "fetch" | "api"> {
  readonly tools: ToolMap;
  /** Default: a stream of events. */
  readonly contentType?: string;
  /** Default: the format's own. */
  readonly request?: object;
  readonly path?: string;
  readonly signal?: AbortSignal;
}

/** What a guarded fetch makes of an answer. */
export function answered(
  format: ByteFormat,
  session: Session,
  body: BodyInit,
  {
    contentType = "text/event-stream",
    request = format.request,
    path = format.path,
    signal,
    ...options
  }: Scripted,
): Promise<Response> {
  const baseURL = "https://provider.example";
  const fetch = guardFetch(session, {
    baseURL,
    api: format.api,
    fetch: () => Promise.resolve(new Response(body, { headers: { "content-type": contentType } })),
    ...options,
  });
  const init = { method: "POST", body: JSON.stringify(request), ...(signal && { signal }) };
  return fetch(baseURL + path, init);
}

/** The data of each event that is JSON. */
export function dataOf(stream: string): readonly Record<string, unknown>[] {
  return stream
    .split(/(?:\r\n|\r|\n){2}/)
    .flatMap((block) => {
      const data = block.split(/\r\n|\r|\n/).flatMap((line) => /^data: ?(.*)$/.exec(line)?.[1] ?? []);
      return data.length > 0 && data[0] !== "[DONE]" ? [data.join("\n")] : [];
    })
    .flatMap((data) => {
      try {
        return [JSON.parse(data) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
}
