/** The formats of answers in which tool calls can stand. */
export const FORMATS = ["chat", "responses", "messages"] as const;
export type Format = (typeof FORMATS)[number];

/** A tool call as a model writes it. */
export interface WrittenCall {
  readonly id: string;
  readonly name: string;
  /** Its arguments, which need not be JSON. */
  readonly text: string;
}

/** How an answer is bent so that another reader might find another call in it, or one where the guard finds none. */
export type Twist =
  | "a call in an unknown place"
  | "a call of an unknown type"
  | "members that stand there twice"
  | "another content type"
  | "an answer that breaks off"
  | "more behind the end of a call"
  | "calls without an index"
  | "events by another name";

export interface Answer {
  readonly format: Format;
  readonly isStreamed: boolean;
  readonly calls: readonly WrittenCall[];
  readonly twist: Twist | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/** What a provider sends. */
export function written(answer: Answer): { readonly type: string; readonly text: string } {
  const { format, isStreamed, twist } = answer;
  const plain = twist === "another content type" ? "text/plain" : undefined;
  // Misplaced calls are told beside what belongs there.
  const misplaced = twist === "a call in an unknown place" ? { toolCalls: answer.calls.map(chatCall) } : {};
  const calls = twist === "a call in an unknown place" ? [] : answer.calls;
  if (!isStreamed) {
    const body = { ...WHOLE[format](calls, typeOf(answer)), ...misplaced };
    return { type: plain ?? "application/json", text: toText(body, answer) };
  }
  const events = streamed({ ...answer, calls }).map(({ data }, index, { length }) => {
    const { type: name = "" } = data as { readonly type?: string };
    const called = twist === "events by another name" ? "ping" : name;
    const line = toText(index === length - 1 ? beside(data, misplaced) : data, answer);
    return `${name === "" ? "" : `event: ${called}\n`}data: ${line}\n\n`;
  });
  return { type: plain ?? "text/event-stream", text: events.join("") };
}

function beside({ response, ...data }: Json, members: Json): Json {
  return response === undefined
    ? { ...data, ...members }
    : { ...data, response: { ...response, ...members } };
}

const typeOf = ({ twist }: Answer): string | undefined =>
  twist === "a call of an unknown type" ? "mystery" : undefined;

/** Arguments that a format holds as JSON go in as they were written. */
function toText(value: Json, { calls, twist }: Answer): string {
  const text = calls.reduce(
    (text, call) => text.replace(JSON.stringify(RAW + call.id), () => call.text || "{}"),
    JSON.stringify(value),
  );
  return twist === "members that stand there twice" ? text.replace("{", '{"x":1,"x":2,') : text;
}

const RAW = "raw: ";

const chatCall = ({ id, name, text }: WrittenCall, type: unknown = "function"): Json => ({
  id,
  type: typeof type === "string" ? type : "function",
  function: { name, arguments: text },
});
const item = ({ id, name, text }: WrittenCall, type = "function_call"): Json => ({
  ...{ id, type, call_id: id, name, arguments: text },
});
const block = ({ id, name }: WrittenCall, input: unknown, type = "tool_use"): Json => ({
  type,
  id,
  name,
  input,
});

type Calls = readonly WrittenCall[];

const WHOLE: Readonly<Record<Format, (calls: Calls, type: string | undefined) => Json>> = {
  chat: (calls, type) => ({
    id: "c",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "Well.",
          tool_calls: calls.map((call) => chatCall(call, type)),
        },
        finish_reason: "tool_calls",
      },
    ],
  }),
  responses: (calls, type) => ({ id: "r", output: calls.map((call) => item(call, type)) }),
  messages: (calls, type) => ({
    id: "m",
    content: [{ type: "text", text: "Well." }, ...calls.map((call) => block(call, RAW + call.id, type))],
    stop_reason: "tool_use",
  }),
};

interface Event {
  readonly data: Json;
  /** With this, the call that came last is whole. */
  readonly isEnd?: boolean;
}

/** How a format tells a call, from its beginning through its pieces to its end. */
interface StreamFormat {
  readonly opening: readonly Event[];
  readonly begin: (call: WrittenCall, index: number, type: string | undefined) => Event;
  readonly piece: (text: string, index: number) => Event;
  readonly end: (call: WrittenCall, index: number, type: string | undefined) => readonly Event[];
  readonly closing: (calls: Calls, type: string | undefined) => readonly Event[];
}

const delta = (given: Json, finish_reason: string | null = null): Event => ({
  data: { id: "c", choices: [{ index: 0, delta: given, finish_reason }] },
  isEnd: finish_reason !== null,
});
const event = (type: string, data: Json, isEnd = false): Event => ({ data: { type, ...data }, isEnd });

const STREAMS: Readonly<Record<Format, StreamFormat>> = {
  chat: {
    opening: [delta({ role: "assistant", content: "" }), delta({ content: "Well." })],
    begin: (call, index, type) =>
      delta({ tool_calls: [{ index, ...chatCall({ ...call, text: "" }, type) }] }),
    piece: (text, index) => delta({ tool_calls: [{ index, function: { arguments: text } }] }),
    end: () => [],
    closing: () => [delta({}, "tool_calls")],
  },
  responses: {
    opening: [event("response.created", { response: { id: "r", output: [] } })],
    begin: (call, index, type) =>
      event("response.output_item.added", { output_index: index, item: item({ ...call, text: "" }, type) }),
    piece: (text, index) =>
      event("response.function_call_arguments.delta", { output_index: index, delta: text }),
    end: (call, index, type) => [
      event("response.function_call_arguments.done", { output_index: index, arguments: call.text }),
      event("response.output_item.done", { output_index: index, item: item(call, type) }, true),
    ],
    closing: (calls, type) => [
      event("response.completed", { response: { id: "r", output: calls.map((call) => item(call, type)) } }),
    ],
  },
  messages: {
    opening: [event("message_start", { message: { id: "m", content: [] } })],
    begin: (call, index, type) =>
      event("content_block_start", { index, content_block: block(call, {}, type) }),
    piece: (text, index) =>
      event("content_block_delta", { index, delta: { type: "input_json_delta", partial_json: text } }),
    end: (_call, index) => [event("content_block_stop", { index }, true)],
    closing: () => [
      event("message_delta", { delta: { stop_reason: "tool_use" } }),
      event("message_stop", {}),
    ],
  },
};

function streamed(answer: Answer): readonly Event[] {
  const { format, calls, twist } = answer;
  const type = typeOf(answer);
  const { opening, begin, piece, end, closing } = STREAMS[format];
  const told = calls.flatMap((call, index) => [
    begin(call, index, type),
    ...(call.text.match(/[^]{1,9}/g) ?? []).map((text) => piece(text, index)),
    ...end(call, index, type),
  ]);
  const events = [...opening, ...told, ...closing(calls, type)];
  const lastEnd = events.findLastIndex(({ isEnd }) => isEnd);
  if (twist === "an answer that breaks off") return events.slice(0, lastEnd);
  if (twist === "more behind the end of a call")
    return events.toSpliced(lastEnd + 1, 0, piece("{}", calls.length - 1));
  if (twist !== "calls without an index") return events;
  return events.map(({ data }) => ({ data: JSON.parse(JSON.stringify(data, withoutIndex)) as Json }));
}

/** Of the calls, and not of the choice that they stand in. */
function withoutIndex(this: unknown, key: string, value: unknown): unknown {
  return key === "index" && "function" in (this as object) ? undefined : value;
}
