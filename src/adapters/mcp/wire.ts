import type { JointAllow } from "../shared/joint-decision";
import type { SendOptions } from "./transport";

/** The two ends between which a guard of messages stands. */
export interface Ends {
  /** To the server. What was allowed comes with the decision. */
  toServer(message: object, options?: SendOptions, allowed?: JointAllow): Promise<void>;
  /** To the client, with what came along with the server's message. */
  toClient(message: object, extra?: unknown): void;
  /** To whoever hears of errors. */
  report(error: unknown): void;
}

/** The two ends between which the guard stands. */
export interface Wire {
  /** To the server. */
  send(message: object, options?: SendOptions, allowed?: JointAllow): Promise<void>;
  /** To the client. */
  deliver(message: object, extra?: unknown): void;
  /** A request of the client's was allowed. */
  allowed(): void;
  /** To the client's `onerror`. */
  report(error: unknown): void;
}
