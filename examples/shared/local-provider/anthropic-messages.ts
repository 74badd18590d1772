import type Anthropic from "@anthropic-ai/sdk";
import { messageEvents } from "./anthropic-stream";
import { jsonBody, requestedModel, type Endpoint } from "./endpoint";
import type { PlayedTurn, ToolResult } from "./script";
import { sseResponse } from "./sse";
import { countTokens, newId, objectsIn, stringOr, textOf, type JsonObject } from "./wire";

/** The blocks that a scripted turn consists of. */
export type Block = Anthropic.TextBlock | Anthropic.ToolUseBlock;

/** The message on the wire. */
export type WireMessage = Omit<Anthropic.Message, "content"> & { readonly content: readonly Block[] };

/** `POST /v1/messages`. */
export const messages: Endpoint = async (exchange) => {
  const body = jsonBody(exchange);
  const model = requestedModel(exchange);
  const turn = await exchange.play({
    api: "anthropic-messages",
    model,
    body,
    tools: objectsIn(body.tools).map(({ name, type }) => stringOr(name ?? type, "")),
    toolResults: toolResults(body),
  });
  const message = messageObject(body, model, turn);
  return body.stream === true ? sseResponse(messageEvents(message, turn)) : Response.json(message);
};

/** `POST /v1/messages/count_tokens`. */
export const messageTokens: Endpoint = (exchange) => {
  requestedModel(exchange);
  const { system, messages, tools } = jsonBody(exchange);
  const input_tokens = countTokens(system) + countTokens(messages) + countTokens(tools);
  return Response.json({ input_tokens } satisfies Anthropic.MessageTokensCount);
};

function messageObject(body: JsonObject, model: string, turn: PlayedTurn): WireMessage {
  const text = turn.text === undefined ? [] : [{ type: "text" as const, text: turn.text, citations: null }];
  const toolUses = turn.toolCalls.map(({ id, name, arguments: input }) => ({
    type: "tool_use" as const,
    id,
    name,
    input,
    caller: { type: "direct" as const },
  }));
  const { input, output, reasoning } = turn.usageFor(body.system, body.messages, body.tools);
  return {
    id: newId("msg_"),
    type: "message",
    role: "assistant",
    model,
    content: [...text, ...toolUses],
    stop_reason: toolUses.length > 0 ? "tool_use" : "end_turn",
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: {
      input_tokens: input,
      output_tokens: output,
      output_tokens_details: { thinking_tokens: reasoning },
      cache_creation: null,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      inference_geo: null,
      server_tool_use: null,
      service_tier: "standard",
      speed: null,
    },
  };
}

function toolResults(body: JsonObject): ToolResult[] {
  const messages = objectsIn(body.messages);
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  return messages
    .slice(last + 1)
    .flatMap(({ content }) => objectsIn(content))
    .filter(({ type }) => type === "tool_result")
    .map(({ tool_use_id, content }) => ({ id: stringOr(tool_use_id, ""), text: textOf(content) }));
}
