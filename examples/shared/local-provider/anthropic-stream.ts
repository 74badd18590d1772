import type Anthropic from "@anthropic-ai/sdk";
import type { Block, WireMessage } from "./anthropic-messages";
import type { PlayedTurn } from "./script";
import type { ServerSentEvent } from "./sse";

type WireEvent = Anthropic.RawMessageStreamEvent | { readonly type: "ping" };

/** The events of a streamed message, each named by its type. */
export async function* messageEvents(
  message: WireMessage,
  turn: PlayedTurn,
): AsyncGenerator<ServerSentEvent> {
  for await (const event of lifecycle(message, turn)) yield { event: event.type, data: event };
}

async function* lifecycle(message: WireMessage, turn: PlayedTurn): AsyncGenerator<WireEvent> {
  const { container, stop_reason, stop_sequence, stop_details, usage } = message;
  const opened = {
    ...message,
    content: [],
    stop_reason: null,
    usage: { ...usage, output_tokens: 1, output_tokens_details: null },
  };
  yield { type: "message_start", message: opened };
  yield { type: "ping" };
  for (const [index, block] of message.content.entries()) {
    yield { type: "content_block_start", index, content_block: emptied(block) };
    for await (const delta of deltas(block, turn)) yield { type: "content_block_delta", index, delta };
    yield { type: "content_block_stop", index };
  }
  yield {
    type: "message_delta",
    delta: { container, stop_reason, stop_sequence, stop_details },
    usage: usedInAll(usage),
  };
  yield { type: "message_stop" };
}

/** Cumulative; it says less than the message's own usage. */
function usedInAll({
  input_tokens,
  output_tokens,
  output_tokens_details,
  cache_creation_input_tokens,
  cache_read_input_tokens,
  server_tool_use,
}: Anthropic.Usage): Anthropic.MessageDeltaUsage {
  return {
    ...{ input_tokens, output_tokens, output_tokens_details },
    ...{ cache_creation_input_tokens, cache_read_input_tokens, server_tool_use },
  };
}

function emptied(block: Block): Block {
  return block.type === "text" ? { ...block, text: "" } : { ...block, input: {} };
}

async function* deltas(block: Block, turn: PlayedTurn): AsyncGenerator<Anthropic.RawContentBlockDelta> {
  if (block.type === "text") {
    for await (const text of turn.cut(block.text)) yield { type: "text_delta", text };
    return;
  }
  const json = turn.toolCalls.find(({ id }) => id === block.id)?.json ?? "";
  for await (const partial_json of turn.cut(json)) yield { type: "input_json_delta", partial_json };
}
