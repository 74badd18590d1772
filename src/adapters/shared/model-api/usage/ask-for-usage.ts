import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import { EventCutter, isEventStream, parseEvents, type ServerSentEvent } from "../answers/sse";

/** A chat stream says what it used only if it is asked to. The body that asks; `undefined` where nothing needs to be asked. */
export function askForUsage(body: JsonObject): JsonObject | undefined {
  const { stream, stream_options: given } = body;
  const options = given ?? {};
  if (stream !== true || !isJsonObject(options) || options.include_usage === true) return undefined;
  return { ...body, stream_options: { ...options, include_usage: true } };
}

const USAGE_OBJECT = /"usage"\s*:\s*\{/;

/** The stream without the chunk that was asked for: an agent that did not ask would look for a choice in it. */
export function withoutUsageChunk(response: Response): Response {
  const { body, status, statusText } = response;
  const headers = new Headers(response.headers);
  // Some providers answer with JSON, whatever was asked for.
  if (!body || !response.ok || !isEventStream(headers)) return response;
  headers.delete("content-length");
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  const cutter = new EventCutter();
  const pass = (text: string, controller: TransformStreamDefaultController<Uint8Array>): void => {
    // Nearly every event says `"usage":null`, and is passed on as it is.
    const kept = USAGE_OBJECT.test(text)
      ? parseEvents(text)
          .filter((event) => !isUsageChunk(event))
          .map(({ raw }) => raw)
          .join("")
      : text;
    if (kept !== "") controller.enqueue(encoder.encode(kept));
  };
  const stream = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        pass(cutter.take(decoder.decode(chunk, { stream: true })), controller);
      },
      flush: (controller) => {
        pass(cutter.rest() + decoder.decode(), controller);
      },
    }),
  );
  return new Response(stream, { status, statusText, headers });
}

function isUsageChunk({ data }: ServerSentEvent): boolean {
  try {
    const chunk = JSON.parse(data) as JsonValue;
    if (!isJsonObject(chunk)) return false;
    return Array.isArray(chunk.choices) && chunk.choices.length === 0 && isJsonObject(chunk.usage ?? null);
  } catch {
    return false;
  }
}
