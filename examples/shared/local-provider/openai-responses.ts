import type OpenAI from "openai";
import { jsonBody, type Endpoint } from "./endpoint";
import { keptUnder } from "./kept";
import { responseEvents } from "./openai-responses-stream";
import type { PlayedTurn, ToolResult } from "./script";
import { sseResponse } from "./sse";
import { newId, objectsIn, stringOr, textOf, unixSeconds, type JsonObject } from "./wire";

/** The object on the wire; `output_text` is what the SDK adds to it. */
export type ResponseObject = Omit<OpenAI.Responses.Response, "output_text" | "output" | "usage"> & {
  readonly output: readonly OutputItem[];
  /** Null until the response is complete. */
  readonly usage: OpenAI.Responses.ResponseUsage | null;
};

/** An item of the model's output. */
export type OutputItem =
  | OpenAI.Responses.ResponseOutputMessage
  | (OpenAI.Responses.ResponseFunctionToolCall & { readonly id: string });

/** `POST /v1/responses`. The model may be left out, as with a stored prompt: the catalogue's first answers. */
export const responses: Endpoint = async (exchange) => {
  const body = jsonBody(exchange);
  const model = stringOr(body.model, exchange.catalogue.openai[0] ?? "");
  const turn = await exchange.play({
    api: "openai-responses",
    model,
    body,
    tools: objectsIn(body.tools).map(({ name, type }) => stringOr(name ?? type, "")),
    toolResults: toolResults(body),
  });
  const response = responseObject(body, model, turn);
  if (body.store !== false) exchange.kept.responses.set(response.id, response);
  return body.stream === true ? sseResponse(responseEvents(response, turn)) : Response.json(response);
};

/** `GET /v1/responses/{id}`, and what `POST /v1/responses/{id}/cancel` answers for a response that is done. */
export const responseById: Endpoint = ({ name, kept }) => Response.json(keptUnder(kept.responses, name));

/** `DELETE /v1/responses/{id}`. */
export const deleteResponse: Endpoint = ({ name = "", kept }) => {
  keptUnder(kept.responses, name);
  kept.responses.delete(name);
  return Response.json({ id: name, object: "response", deleted: true });
};

function responseObject(body: JsonObject, model: string, turn: PlayedTurn): ResponseObject {
  const now = unixSeconds();
  return {
    id: newId("resp_"),
    object: "response",
    access_programs: null,
    created_at: now,
    completed_at: now,
    status: "completed",
    background: body.background === true,
    error: null,
    incomplete_details: null,
    instructions: stringOr(body.instructions, null),
    metadata: {},
    model,
    output: outputItems(turn),
    parallel_tool_calls: true,
    previous_response_id: stringOr(body.previous_response_id, null),
    temperature: 1,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    // The provider repeats the declarations as they came.
    tools: objectsIn(body.tools) as unknown as OpenAI.Responses.Tool[],
    top_p: 1,
    truncation: "disabled",
    usage: usageOf(body, turn),
  };
}

function outputItems({ text, toolCalls }: PlayedTurn): OutputItem[] {
  const calls = toolCalls.map(({ id, name, json }): OutputItem => ({
    type: "function_call",
    id: newId("fc_"),
    call_id: id,
    name,
    arguments: json,
    status: "completed",
  }));
  if (text === undefined) return calls;
  const content = [{ type: "output_text" as const, text, annotations: [], logprobs: [] }];
  return [{ type: "message", id: newId("msg_"), role: "assistant", status: "completed", content }, ...calls];
}

function usageOf(
  { input: asked, instructions, tools }: JsonObject,
  turn: PlayedTurn,
): OpenAI.Responses.ResponseUsage {
  const { input, output, reasoning } = turn.usageFor(asked, instructions, tools);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

function toolResults(body: JsonObject): ToolResult[] {
  const items = objectsIn(body.input);
  const last = items.findLastIndex(({ type, role }) => type === "function_call" || role === "assistant");
  return items
    .slice(last + 1)
    .filter(({ type }) => type === "function_call_output")
    .map(({ call_id, output }) => ({ id: stringOr(call_id, ""), text: textOf(output) }));
}
