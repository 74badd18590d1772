import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json";
import { isEventStream } from "./answers/sse";
import { withoutDeclarations } from "./collected-calls";
import type { ResourceKind } from "./created-resources";
import type { CallContext, ModelCall } from "./model-call";
import type { ReadRequest } from "./read-request";
import type { CheckedBody } from "./request-body";
import type { ResolvedRequest } from "./resolve-route";

/** The first event of a stream repeats the request: its tools, its instructions. */
const MAX_FIRST_EVENT = 4 * 1024 * 1024;

/**
 * Remembers under which id the provider keeps what a request has created. An answer that cannot be read leaves nothing behind, and what it
 * named is denied later.
 */
export async function rememberCreated(
  { guard, created, endpoint, conversations }: CallContext,
  { route: { creates }, origin }: ResolvedRequest,
  { call, body }: ReadRequest,
  response: Response,
  signal: AbortSignal,
): Promise<void> {
  if (creates === undefined || !response.ok) return;
  const isAskedFor = isKept(creates, body);
  const isTurn = creates === "response" && conversations === "own" && isStored(body);
  if (!isAskedFor && !isTurn) return;
  const answer = await readAnswer(copyUntil(signal, response)).catch(() => undefined);
  const kept = origin ?? slim(call, guard.answers === "check" && creates !== "batch");
  const remember = (kind: ResourceKind, id: JsonValue | undefined): void => {
    if (typeof id === "string" && id !== "") created.remember(kind, endpoint, id, kept);
  };
  if (isAskedFor) remember(creates, answer?.id);
  // That it was begun here is all that matters of it: each turn declares its own tools.
  if (isTurn && typeof answer?.id === "string")
    created.remember("turn", endpoint, answer.id, { ...call, declared: undefined, hops: [] });
  if (creates !== "batch") return;
  remember("batch_output", answer?.output_file_id);
  remember("batch_output", answer?.error_file_id);
}

/** What the provider keeps only if it is asked to, and what nobody asks for later. */
function isKept(creates: ResourceKind, body: CheckedBody): boolean {
  const value = body.kind === "json" ? body.value : {};
  if (creates === "response") return value.background === true;
  if (creates === "thread") return isJsonObject(value.thread);
  return true;
}

/** Of responses, whatever is not said to be forgotten. */
function isStored(body: CheckedBody): boolean {
  return body.kind === "json" && body.value.store !== false;
}

/** Without what nobody needs again. The schemas of its tools are needed where the answer comes later, and its tool calls are checked then. */
function slim({ declared, ...call }: ModelCall, withTypes: boolean): ModelCall {
  const { tools = [], hosted = [] } = declared ?? {};
  const types = {
    tools: tools.map(({ name, entry }) => ({ name, list: undefined, entry })),
    hosted: hosted.map(({ type, declaration }) => ({ type, declaration: whereabouts(declaration) })),
  };
  const names = { tools: withoutDeclarations(tools), hosted: [] };
  return { ...call, declared: { ...(withTypes ? types : names), chosenTools: new Set() } };
}

/** Of a hosted server; its token is not kept. */
function whereabouts({ server_label, server_url, connector_id }: JsonObject): JsonObject {
  return {
    ...(server_label !== undefined && { server_label }),
    ...(server_url !== undefined && { server_url }),
    ...(connector_id !== undefined && { connector_id }),
  };
}

/** Whoever answers may fall silent, and need not look at the signal. */
function copyUntil(signal: AbortSignal, response: Response): Response {
  const { body, headers } = response.clone();
  return new Response(body?.pipeThrough(new TransformStream(), { signal }), { headers });
}

async function readAnswer(response: Response): Promise<JsonObject | undefined> {
  const answer = isEventStream(response.headers)
    ? await firstEvent(response)
    : ((await response.json()) as JsonValue);
  return isJsonObject(answer) ? answer : undefined;
}

/** What a stream's first event says is being created. The rest of the stream is left to whoever asked. */
async function firstEvent({ body }: Response): Promise<JsonValue | undefined> {
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return undefined;
  try {
    for (let text = ""; text.length < MAX_FIRST_EVENT;) {
      const { done, value } = await reader.read();
      text += value ?? "";
      const [, data] = /(?:^|[\r\n])data: ?(.*?)[\r\n]/.exec(text) ?? [];
      if (data !== undefined) {
        const { message, response } = JSON.parse(data) as JsonObject;
        return message ?? response;
      }
      if (done) return undefined;
    }
    return undefined;
  } finally {
    await reader.cancel();
  }
}
