import {
  block,
  chatCall,
  item,
  typeOf,
  type Answer,
  type Calls,
  type Format,
  type Json,
  type WrittenCall,
} from "./answer-calls";

/** One event of a stream. */
export interface Event {
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

/** What a stream tells, event by event. */
export function streamed(answer: Answer): readonly Event[] {
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
