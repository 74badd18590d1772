import type OpenAI from "openai";
import type { OutputItem, ResponseObject } from "./openai-responses";
import type { PlayedTurn } from "./script";
import type { ServerSentEvent } from "./sse";

type LifecycleEvent = "response.created" | "response.in_progress" | "response.completed";
type OutputEvent = Extract<OpenAI.Responses.ResponseStreamEvent, { output_index: number }>;
type WireEvent =
  { readonly type: LifecycleEvent; readonly response: ResponseObject } | Unnumbered<OutputEvent>;
type Message = Extract<OutputItem, { type: "message" }>;
type FunctionCall = Extract<OutputItem, { type: "function_call" }>;
interface Position {
  readonly output_index: number;
  readonly item_id: string;
}
type Unnumbered<Event> = Event extends unknown ? Omit<Event, "sequence_number"> : never;

/** The events of a streamed response, in the order and with the numbers that the provider gives them. */
export async function* responseEvents(
  response: ResponseObject,
  turn: PlayedTurn,
): AsyncGenerator<ServerSentEvent> {
  let sequence_number = 0;
  for await (const event of lifecycle(response, turn)) {
    yield { event: event.type, data: { ...event, sequence_number: sequence_number++ } };
  }
}

async function* lifecycle(response: ResponseObject, turn: PlayedTurn): AsyncGenerator<WireEvent> {
  const opened: ResponseObject = {
    ...response,
    status: "in_progress",
    completed_at: null,
    output: [],
    usage: null,
  };
  yield { type: "response.created", response: opened };
  yield { type: "response.in_progress", response: opened };
  for (const [index, item] of response.output.entries()) yield* itemEvents(index, item, turn);
  yield { type: "response.completed", response };
}

async function* itemEvents(
  output_index: number,
  item: OutputItem,
  turn: PlayedTurn,
): AsyncGenerator<WireEvent> {
  const empty = item.type === "message" ? { content: [] } : { arguments: "" };
  const opened = { ...item, ...empty, status: "in_progress" } as OutputItem;
  const at = { output_index, item_id: item.id };
  yield { type: "response.output_item.added", output_index, item: opened };
  yield* item.type === "message" ? contentEvents(at, item, turn) : argumentEvents(at, item, turn);
  yield { type: "response.output_item.done", output_index, item };
}

async function* contentEvents(
  at: Position,
  { content }: Message,
  turn: PlayedTurn,
): AsyncGenerator<WireEvent> {
  for (const [content_index, part] of content.entries()) {
    if (part.type !== "output_text") continue;
    const inPart = { ...at, content_index, logprobs: [] };
    yield { type: "response.content_part.added", ...at, content_index, part: { ...part, text: "" } };
    for await (const delta of turn.cut(part.text)) {
      yield { type: "response.output_text.delta", ...inPart, delta };
    }
    yield { type: "response.output_text.done", ...inPart, text: part.text };
    yield { type: "response.content_part.done", ...at, content_index, part };
  }
}

async function* argumentEvents(
  at: Position,
  call: FunctionCall,
  turn: PlayedTurn,
): AsyncGenerator<WireEvent> {
  for await (const delta of turn.cut(call.arguments)) {
    yield { type: "response.function_call_arguments.delta", ...at, delta };
  }
  // Version 6 of the SDK types the name as well.
  const done = { ...at, name: call.name, arguments: call.arguments };
  yield { type: "response.function_call_arguments.done", ...done };
}
