import type { SendOptions } from "./transport";

/** The two ends between which the guard stands. */
export interface Wire {
  /** To the server. */
  send(message: object, options?: SendOptions): Promise<void>;
  /** To the client. */
  deliver(message: object, extra?: unknown): void;
  /** A request of the client's was allowed. */
  allowed(): void;
  /** To the client's `onerror`. */
  report(error: unknown): void;
}
