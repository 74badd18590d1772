import type OpenAI from "openai";
import { jsonBody, requestedModel, type Endpoint } from "./endpoint";
import type { PlayedCall, PlayedTurn, ToolResult } from "./script";
import { sseResponse, type ServerSentEvent } from "./sse";
import { isObject, newId, objectsIn, stringOr, textOf, unixSeconds, type JsonObject } from "./wire";

type Chunk = OpenAI.ChatCompletionChunk;
type Choice = Chunk["choices"][number];

/** `POST /v1/chat/completions`, also below an Azure deployment. */
export const chatCompletions: Endpoint = async (exchange) => {
  const body = jsonBody(exchange);
  const model = requestedModel(exchange);
  const turn = await exchange.play({
    api: "openai-chat",
    model,
    body,
    tools: objectsIn(body.tools).map(toolName),
    toolResults: toolResults(body),
  });
  const head = { id: newId("chatcmpl-"), created: unixSeconds(), model };
  const usage = usageOf(body, turn);
  if (body.stream !== true) return Response.json(completion(head, turn, usage));

  const wanted = isObject(body.stream_options) && body.stream_options.include_usage === true;
  return sseResponse(chunks({ ...head, object: "chat.completion.chunk" }, turn, wanted ? usage : undefined));
};

function completion(
  head: Pick<OpenAI.ChatCompletion, "id" | "created" | "model">,
  turn: PlayedTurn,
  usage: OpenAI.CompletionUsage,
): OpenAI.ChatCompletion {
  const message: OpenAI.ChatCompletionMessage = {
    role: "assistant",
    content: turn.text ?? null,
    refusal: null,
    annotations: [],
    ...(turn.toolCalls.length > 0 && { tool_calls: turn.toolCalls.map(toolCall) }),
  };
  const choice = { index: 0, message, logprobs: null, finish_reason: finishReason(turn) };
  return { ...head, object: "chat.completion", choices: [choice], usage };
}

async function* chunks(
  head: Omit<Chunk, "choices">,
  turn: PlayedTurn,
  usage: OpenAI.CompletionUsage | undefined,
): AsyncGenerator<ServerSentEvent> {
  const chunk = (delta: Choice["delta"], finish_reason: Choice["finish_reason"] = null): ServerSentEvent => ({
    data: {
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...(usage && { usage: null }),
    } satisfies Chunk,
  });

  yield chunk({ role: "assistant", content: turn.text === undefined ? null : "", refusal: null });
  for await (const content of turn.cut(turn.text ?? "")) yield chunk({ content });
  for (const [index, call] of turn.toolCalls.entries()) {
    const { id, type, function: named } = toolCall(call);
    yield chunk({ tool_calls: [{ index, id, type, function: { name: named.name, arguments: "" } }] });
    for await (const piece of turn.cut(named.arguments)) {
      yield chunk({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
  }
  yield chunk({}, finishReason(turn));
  if (usage) yield { data: { ...head, choices: [], usage } satisfies Chunk };
  yield { data: "[DONE]" };
}

function toolCall({ id, name, json }: PlayedCall): OpenAI.ChatCompletionMessageFunctionToolCall {
  return { id, type: "function", function: { name, arguments: json } };
}

function finishReason({ toolCalls }: PlayedTurn): "stop" | "tool_calls" {
  return toolCalls.length > 0 ? "tool_calls" : "stop";
}

function usageOf({ messages, tools }: JsonObject, turn: PlayedTurn): OpenAI.CompletionUsage {
  const { input, output, reasoning } = turn.usageFor(messages, tools);
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: reasoning, audio_tokens: 0 },
  };
}

function toolName(tool: JsonObject): string {
  const named = isObject(tool.function) ? tool.function : tool.custom;
  return stringOr(isObject(named) ? named.name : tool.type, "");
}

function toolResults(body: JsonObject): ToolResult[] {
  const messages = objectsIn(body.messages);
  const last = messages.findLastIndex(({ role }) => role === "assistant");
  return messages
    .slice(last + 1)
    .filter(({ role }) => role === "tool")
    .map(({ tool_call_id, content }) => ({ id: stringOr(tool_call_id, ""), text: textOf(content) }));
}
