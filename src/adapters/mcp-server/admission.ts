import type { Session } from "../../index";
import type { IncomingRequest } from "../http/front-door";
import type { RequestDecision } from "../http/request-guard";
import { isRequest } from "../mcp/json-rpc";
import { CODES, McpProblem } from "./problem";
import type { AuthInfo } from "./auth-info";
import type { Exchange } from "./exchange";
import type { Link } from "./link";

/** What a handler is given beside its request. */
export interface McpRequestContext {
  /** Of whoever sent the request, for the checks of your own. */
  readonly session: Session;
  /** `undefined` for what needs no decision: notifications, answers, a `ping`, the end of a session. */
  readonly decision: RequestDecision | undefined;
  /** For the transport, which takes no message without it. */
  readonly authInfo: AuthInfo;
  /** The message that was decided, for the transport. `undefined` for requests without one. */
  readonly parsedBody: unknown;
}

interface Admitted extends Omit<McpRequestContext, "parsedBody" | "decision"> {
  readonly link: Link | undefined;
  readonly exchange?: Exchange | undefined;
  readonly message?: object;
  readonly decision?: RequestDecision | undefined;
  readonly ending?: AbortSignal;
  readonly finish: (isDone: boolean) => unknown;
}

/** What nginx made of a client that has gone. */
const GONE = 499;

const UNGUARDED =
  "guardMcpServer: no guarded transport has taken this request. Connect servers that the guard's `create` has made (`createMcpHandler(guarded.create)`), and hand the " +
  "transport or handler what the guard gives you: `authInfo` and `parsedBody`, or behind Express `req.auth` and `req.body`";

/** An HTTP request that may be handed to the server. */
export class Admission {
  readonly link: Link | undefined;
  readonly exchange: Exchange | undefined;
  readonly context: McpRequestContext;
  /** Aborted when the answer must end: authority was withdrawn, and no transport can say so. */
  readonly ending: AbortSignal | undefined;
  readonly message: object | undefined;
  readonly #incoming: IncomingRequest<unknown>;
  #finish: ((isDone: boolean) => unknown) | undefined;

  constructor(incoming: IncomingRequest<unknown>, admitted: Admitted) {
    const { link, exchange, message, session, decision, authInfo, ending, finish } = admitted;
    this.#incoming = incoming;
    this.#finish = finish;
    // Some answers never begin: of a request that was taken back, in JSON, say.
    incoming.signal.addEventListener("abort", () => this.finish(GONE), { once: true });
    this.link = link;
    this.message = message;
    this.exchange = exchange;
    this.ending = ending;
    this.context = {
      session,
      decision: decision && { decisionId: decision.decisionId, hop: decision.hop },
      authInfo,
      parsedBody: message && structuredClone(message),
    };
  }

  /** The web's request, with the message that was decided and nothing else. */
  get request(): Request {
    const { url, method, signal } = this.#incoming;
    const headers = new Headers(this.#incoming.headers);
    // What is written anew is not as long.
    headers.delete("content-length");
    headers.delete("transfer-encoding");
    const { parsedBody } = this.context;
    return new Request(url, {
      ...{ method, headers, signal: this.ending ? AbortSignal.any([signal, this.ending]) : signal },
      ...(parsedBody !== undefined && { body: JSON.stringify(parsedBody) }),
    });
  }

  /** Whether a guarded transport says, or has said, what the answer holds. */
  get #isReviewed(): boolean {
    const { message } = this;
    if (this.#incoming.method === "GET") return this.link !== undefined;
    // A stream of subscriptions tells that something has changed, and goes by no transport.
    return (
      !isRequest(message) || message.method === "subscriptions/listen" || this.exchange?.isTaken === true
    );
  }

  /** The answer is over. */
  finish(status: number): void {
    this.#finish?.(status >= 200 && status < 300);
    this.#finish = undefined;
  }

  /**
   * The handler's answer, followed to its end, and no further than authority reaches. What something has answered that is not guarded, and nobody has
   * reviewed, is held back: 500 says what is wrong.
   */
  follow(response: Response): Response {
    const { body, status, statusText, headers } = response;
    if (response.ok && !this.#isReviewed) {
      this.finish(500);
      body?.cancel().catch(() => undefined);
      return new McpProblem(500, CODES.internal, UNGUARDED).response;
    }
    const isStream = /^text\/event-stream\b/i.test(headers.get("content-type") ?? "");
    if (!body || !isStream) {
      this.finish(status);
      return response;
    }
    const reader = body.getReader();
    const { ending } = this;
    const over = (): void => {
      this.finish(status);
      ending?.removeEventListener("abort", end);
    };
    let close = (): void => undefined;
    const end = (): void => {
      close();
      over();
      reader.cancel().catch(() => undefined);
    };
    const followed = new ReadableStream<Uint8Array>({
      start: (controller) => {
        close = () => controller.close();
        ending?.addEventListener("abort", end, { once: true });
      },
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (ending?.aborted) return;
          if (value) controller.enqueue(value);
          if (!done) return;
          controller.close();
          over();
        } catch (error) {
          if (ending?.aborted) return;
          controller.error(error);
          over();
        }
      },
      cancel: (reason) => {
        over();
        return reader.cancel(reason);
      },
    });
    if (ending?.aborted) end();
    return new Response(followed, { status, statusText, headers });
  }
}
