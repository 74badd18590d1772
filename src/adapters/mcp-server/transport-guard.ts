import { DENIED_CODE } from "../mcp/denial-message";
import { isRequest } from "../mcp/json-rpc";
import type { Admission } from "./admission";
import { intercept, isIntercepted, type Passage } from "./intercept";
import type { Link } from "./link";
import type { AnyMcpServer, ServerTransport } from "./server-transport";

/** Who keeps the MCP sessions. */
interface Sessions {
  opened(id: string, link: Link): void;
  closed(id: string): void;
}

const PAST_THE_GUARD =
  "This message did not come by way of the guard: hand the transport what guardMcpServer gave the handler, as in " +
  "`transport.handleRequest(request, { authInfo, parsedBody })`; a transport of Node finds it in `req.auth` and is given `req.body`";

const OTHER_SESSION = "This message was decided for another session than the one that this transport serves";

/** Guards the transports of servers, in place: they take what was decided at the HTTP request, and nothing else. */
export class TransportGuard {
  /** Found by an object that only the guard makes, so that nothing in a message can stand for it. */
  readonly #admissions = new WeakMap<object, Admission>();

  constructor(private readonly sessions: Sessions) {}

  admit(authInfo: object, admission: Admission): void {
    this.#admissions.set(authInfo, admission);
  }

  /** Guards whatever transport the server is connected to. */
  guardServer<Server extends AnyMcpServer>(server: Server): Server {
    // An McpServer has the server that it connects, and that one has a `connect` of its own.
    const { server: inner } = server as { readonly server?: unknown };
    for (const each of [server, inner]) {
      if (typeof each !== "object" || each === null || !("connect" in each)) continue;
      const connect = (each as AnyMcpServer).connect.bind(each) as (transport: object) => Promise<void>;
      Object.defineProperty(each, "connect", {
        value: (transport: ServerTransport) => {
          this.guardTransport(transport);
          return connect(transport);
        },
        writable: true,
        configurable: true,
      });
    }
    return server;
  }

  guardTransport(transport: ServerTransport): void {
    if (isIntercepted(transport)) return;
    let link: Link | undefined;

    const receive = (given: unknown, extra: unknown): string | undefined => {
      const admission = this.#admissions.get((extra as { authInfo?: object } | undefined)?.authInfo ?? {});
      if (!admission?.link || !admission.exchange) return PAST_THE_GUARD;
      link ??= admission.link;
      if (link !== admission.link || !link.attach(passage)) return OTHER_SESSION;
      if (!isSame(given, admission.message)) return PAST_THE_GUARD;
      const { sessionId } = transport;
      if (sessionId !== undefined && link.sessionId === undefined) {
        link.sessionId = sessionId;
        this.sessions.opened(sessionId, link);
      }
      return link.hand(admission.exchange, extra) ? undefined : PAST_THE_GUARD;
    };
    const passage: Passage = intercept(transport, {
      received: (given, extra) => {
        const problem = receive(given, extra);
        if (problem !== undefined) refuse(passage, given, problem);
      },
      sent: async (message, options) => {
        if (link) return link.sent(message, options);
        // Without a client there is nobody to tell, as on a transport that is not guarded.
        passage.report(
          new Error("A message of the server was dropped: no client has asked for anything yet."),
        );
      },
      closed: () => {
        link?.close();
        if (link?.sessionId !== undefined) this.sessions.closed(link.sessionId);
      },
    });
  }
}

/** Whether this is the message that was decided, as far as an answer goes by it. The server is handed the decided one in any case. */
function isSame(given: unknown, decided: unknown): boolean {
  const [a, b] = [given, decided] as { readonly id?: unknown; readonly method?: unknown }[];
  return a?.id === b?.id && a?.method === b?.method;
}

function refuse(passage: Passage, given: unknown, problem: string): void {
  passage.report(new Error(problem));
  if (!isRequest(given)) return;
  const error = { code: DENIED_CODE, message: problem };
  const answer = { jsonrpc: "2.0", id: given.id, error };
  passage
    .toClient(answer, { relatedRequestId: given.id })
    .catch((failure: unknown) => passage.report(failure));
}
