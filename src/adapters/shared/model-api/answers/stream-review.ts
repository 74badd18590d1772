import type { ServerSentEvent } from "./sse";
import type { OrderedWrites } from "./ordered-writes";

/** How one wire format's stream is read. What may go on to the agent is written to `writes`. */
export interface StreamReview {
  readonly writes: OrderedWrites;
  /**
   * Whether the events in a text may go on without being read. It looks for names only, all of them plain ASCII, so `\u00` has to count as one: it
   * may spell a name. A false find costs a `JSON.parse`.
   */
  mayPass(text: string): boolean;
  /** @throws {UnsupportedRequestError} when nobody can say whether the event holds a tool call. */
  read(event: ServerSentEvent): void;
}
