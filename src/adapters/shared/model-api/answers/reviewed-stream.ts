import { EventCutter, parseEvents } from "./sse";
import type { StreamReview } from "./stream-review";
import { unreadable } from "./unknown-places";

export interface ReviewedStreamOptions {
  readonly review: StreamReview;
  /** The most characters that are held, or read closely, of one answer. */
  readonly maxLength: number;
  readonly signal: AbortSignal | undefined;
  /** Records why a stream cannot be read, and makes the event that ends it. */
  readonly refuse: (problem: unknown) => Promise<string>;
}

/**
 * A stream of events, reviewed: text goes on as it comes, byte for byte, and calls once they are decided. One that cannot be read ends with an error
 * event, which SDKs throw. To cancel it is to cancel the provider's.
 */
export function reviewedStream(
  body: ReadableStream<Uint8Array>,
  { review, maxLength, signal, refuse }: ReviewedStreamOptions,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const encoder = new TextEncoder();
  const cutter = new EventCutter();
  let length = 0;
  let endsEvent = true;

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      for (;;) {
        const { done, value } = await reader.read();
        const wasBetween = endsEvent;
        const chunk = decode(value);
        // A chunk of whole events in which there is nothing to read, as nearly every one is: a third of the cost of the way below.
        if (value && wasBetween && endsEvent && review.mayPass(chunk.text)) {
          controller.enqueue(value);
          return;
        }
        const { text, problem = chunk.problem } = await accept(chunk.text, done);
        // Checks that were aborted denied what nobody asks for any more.
        signal?.throwIfAborted();
        const last = problem === undefined ? "" : await refuse(problem);
        if (text + last !== "") controller.enqueue(encoder.encode(text + last));
        if (problem !== undefined) reader.cancel(problem).catch(() => undefined);
        if (done || problem !== undefined) {
          controller.close();
          return;
        }
        if (text !== "") return;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });

  function decode(chunk: Uint8Array | undefined): { readonly text: string; readonly problem?: unknown } {
    endsEvent = false;
    try {
      const text = chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
      endsEvent = text.endsWith("\n\n");
      return { text };
    } catch {
      return { text: "", problem: unreadable("is not UTF-8") };
    }
  }

  /** What may go on, now that more is here. Calls that come together are checked together. */
  async function accept(
    chunk: string,
    isEnd: boolean,
  ): Promise<{ readonly text: string; readonly problem?: unknown }> {
    let problem: unknown;
    try {
      const events = cutter.take(chunk) + (isEnd ? cutter.rest() : "");
      if (cutter.pending <= maxLength && review.mayPass(events)) return { text: events };
      length += events.length;
      if (Math.max(length, cutter.pending) > maxLength)
        throw unreadable(`is longer than ${maxLength} characters`);
      for (const event of parseEvents(events)) review.read(event);
    } catch (error) {
      problem = error;
    }
    return { text: await review.writes.flush(), problem };
  }
}
