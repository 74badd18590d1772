import type { SettledOutcome } from "../../../core/decision";
import type { Denial } from "../../../core/denial";
import { eitherSignal } from "../../../core/either-signal";
import { denialError } from "../../../core/errors";
import { onAbort } from "../../../core/on-abort";
import type { TokenUsage } from "../../../core/usage";
import type { JointAllow } from "../joint-decision";
import { isEventStream } from "./answers/sse";
import { jsonUsage, streamUsage, type UsageReader } from "./usage/usage-reader";

/** A call that was allowed and is under way: watched until its answer has ended, and then settled with what it used. */
export class CallUnderWay {
  /** Aborts the request to the provider, with the denial's error, when authority is withdrawn. */
  readonly signal: AbortSignal;
  #denial: Denial | undefined;
  /** Lets go of the caller's signal, which may outlive very many calls. */
  readonly #over = new AbortController();
  readonly #stopWatch: () => void;
  #letGo: (() => void) | undefined;

  constructor(
    private readonly allowed: Pick<JointAllow, "settle" | "watch">,
    callers: AbortSignal | undefined,
  ) {
    const controller = new AbortController();
    this.#stopWatch = allowed.watch((denial) => {
      this.#denial = denial;
      controller.abort(denialError(denial));
    });
    this.signal = callers ? eitherSignal(callers, controller.signal, this.#over.signal) : controller.signal;
  }

  /** The denial that has ended the call, if one has. */
  get denial(): Denial | undefined {
    return this.#denial;
  }

  /** There was no answer. A request that was given up may have been served all the same. */
  failed(): void {
    this.#end(this.signal.aborted ? "unknown" : "failed");
  }

  /** There is the whole answer. */
  done(usage: TokenUsage | undefined): void {
    this.#end("done", usage);
  }

  /** The same response, whose body ends with the denial's error when authority is withdrawn, and is read along for what a model used. */
  follow(response: Response, { isOfModel = true } = {}): Response {
    const { body, ok, headers } = response;
    if (!ok || body === null) {
      // An application that answers with a redirect has done what it was asked for.
      const isDone = isOfModel ? ok : response.status < 400;
      this.#end(isDone ? "done" : "failed");
      return response;
    }
    const usage = isEventStream(headers) ? streamUsage() : jsonUsage();
    // A model's JSON is read to its end, whether anybody wants it or not: an answer that is never read would be watched for ever.
    const isWhole = isOfModel && /^application\/json\s*(?:;|$)/i.test(headers.get("content-type") ?? "");
    const strategy = isWhole ? { highWaterMark: Infinity } : {};
    const followed = this.followStream(body, isOfModel ? usage : undefined, strategy);
    const { status, statusText } = response;
    return new Response(followed, { status, statusText, headers });
  }

  /** The same stream, likewise. */
  followStream<Chunk>(
    stream: ReadableStream<Chunk>,
    usage: UsageReader<Chunk> | undefined,
    strategy: QueuingStrategy<Chunk> = {},
  ): ReadableStream<Chunk> {
    const reader = stream.getReader();
    const { signal } = this;
    const source: UnderlyingDefaultSource<Chunk> = {
      start: (controller) => {
        // Whoever gives up may never read on.
        const end = (): void => {
          this.#end("unknown", usage?.end());
          controller.error(signal.reason);
          reader.cancel(signal.reason).catch(() => undefined);
        };
        // It may have been given up, or withdrawn, since the provider began to answer.
        if (signal.aborted) end();
        else this.#letGo = onAbort(signal, end);
      },
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (signal.aborted) return;
          if (!done) {
            usage?.read(value);
            controller.enqueue(value);
            return;
          }
          controller.close();
          this.#end("done", usage?.end());
        } catch (error) {
          this.#end("unknown", usage?.end());
          controller.error(error);
        }
      },
      cancel: async (reason) => {
        // Some SDKs go once they have read `[DONE]`, and do not wait for the end of the connection.
        this.#end(usage?.isOver ? "done" : "unknown", usage?.end());
        await reader.cancel(reason);
      },
    };
    return new ReadableStream(source, strategy);
  }

  /** An answer that has begun was paid for. What it did not say that it used, cut short or silent, stays as it was reserved. */
  #end(outcome: SettledOutcome, usage?: TokenUsage): void {
    this.#stopWatch();
    this.#letGo?.();
    // A reason of one's own spares the making of an error with its stack.
    this.#over.abort("The call is over.");
    this.allowed.settle(outcome, usage);
  }
}

/** Frameworks drop the body of what they answer a HEAD with, and tell nobody: a call that waits for its end would never be over. */
export function headOf(response: Response): Response {
  response.body?.cancel().catch(() => undefined);
  return new Response(null, response);
}
