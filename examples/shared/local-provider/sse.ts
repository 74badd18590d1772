/** One server-sent event; its data is JSON, or a sentinel such as `[DONE]`. */
export interface ServerSentEvent {
  readonly event?: string;
  readonly data: unknown;
}

/** Answers with a stream of events. The source is closed when the client goes away. */
export function sseResponse(events: AsyncIterable<ServerSentEvent>): Response {
  const source = events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await source.next();
      if (next.done === true) controller.close();
      else controller.enqueue(encoder.encode(frame(next.value)));
    },
    async cancel() {
      await source.return?.();
    },
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
  });
}

function frame({ event, data }: ServerSentEvent): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
}
