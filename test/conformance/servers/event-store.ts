import type { EventStore } from "@modelcontextprotocol/server";

/** Keeps what a stream has carried, so that a client that lost the stream can have the rest. */
export function eventStore(): EventStore {
  const events: { readonly stream: string; readonly message: Parameters<EventStore["storeEvent"]>[1] }[] = [];
  return {
    storeEvent: (stream, message) => Promise.resolve(String(events.push({ stream, message }) - 1)),
    async replayEventsAfter(last, { send }) {
      const stream = events[Number(last)]?.stream ?? "";
      for (const [id, event] of events.entries()) {
        // An event without a message only gave the stream a place to resume at.
        const isMissed = id > Number(last) && event.stream === stream && "jsonrpc" in event.message;
        if (isMissed) await send(String(id), event.message);
      }
      return stream;
    },
  };
}
