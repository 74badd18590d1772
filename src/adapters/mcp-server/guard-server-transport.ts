import { ConfigurationError } from "../../core/errors";
import type { JsonValue } from "../../core/json";
import type { Session } from "../../index";
import { readMessage } from "../mcp/json-rpc";
import { MessageGuard } from "../mcp/message-guard";
import { malformed } from "../mcp/question";
import { memoryOf } from "../mcp/server-memory";
import type { SendOptions } from "../mcp/transport";
import { assertSession } from "../shared/assert-session";
import { intercept, isIntercepted, type Passage } from "./intercept";
import { readServerOptions, type ServerGuardOptions } from "./options";
import { OwnTools } from "./own-tools";
import { asWritten, deliver, Sending } from "./sent-message";
import { serverTransportName, type AnyServerTransport } from "./server-transport";
import { take } from "./take";

/** What the client's message came with, for the server. */
interface FromTransport extends SendOptions {
  readonly extra?: unknown;
}

/**
 * Puts the policy between a server and the one client that its transport leads to, on behalf of one session: what the client says is decided before
 * the server hears it, and of what the server says the client sees what it may. It is for transports whose client is known, such as stdio, where the session is
 * that of whoever has started the process; for HTTP use `guardMcpServer`.
 *
 * ```ts
 * await server.connect(guardServerTransport(new StdioServerTransport(), session, { server: "payments" }));
 * ```
 *
 * The transport itself is changed, and returned. Every request is decided by its own hop, `initialize` and `server/discover` by that of opening the
 * server. Denials are those of `guardTransport`; a method that the protocol's revision does not have is answered with -32601.
 *
 * @throws {ConfigurationError} naming the wrong option, and for a transport that is guarded already.
 */
export function guardServerTransport<T extends AnyServerTransport>(
  transport: T,
  session: Session,
  options: ServerGuardOptions,
): T {
  assertSession("guardServerTransport", session);
  const settings = readServerOptions("guardServerTransport", options);
  if (isIntercepted(transport)) {
    throw new ConfigurationError("guardServerTransport: this transport is guarded already");
  }

  const guard: MessageGuard = new MessageGuard(
    {
      toServer: (message, given) => {
        passage.toServer(structuredClone(message), (given as FromTransport | undefined)?.extra);
        return Promise.resolve();
      },
      toClient: (message, extra) => deliver(passage, message, extra),
      report: (error) => passage.report(error),
    },
    () => session,
    settings,
    {
      transport: serverTransportName(transport),
      catalogue: new OwnTools(),
      memory: memoryOf(session, settings.server),
      // What the tools are is the operator's word, and no secret of the server's.
      listPage: (params, ask) => ask(params),
    },
  );
  const passage: Passage = intercept(transport, {
    received: (message, extra) => {
      receive(guard, passage, message, { extra }).catch((error: unknown) => passage.report(error));
    },
    sent: (message, sendOptions) => {
      const sending = new Sending(sendOptions);
      guard.fromServer(asWritten(message), sending);
      return sending.delivery ?? Promise.resolve();
    },
    closed: () => guard.close(),
  });
  guard.open();
  return transport;
}

async function receive(
  guard: MessageGuard,
  passage: Passage,
  given: unknown,
  options: FromTransport,
): Promise<void> {
  const answer = await take(guard, await read(guard, given), options);
  if (answer) await passage.toClient(answer, { relatedRequestId: answer.id });
}

async function read(guard: MessageGuard, given: unknown): Promise<JsonValue> {
  try {
    return readMessage(given);
  } catch (error) {
    const expected = `a JSON-RPC message: it ${(error as Error).message}`;
    throw await guard.denied(malformed("unknown", "The message", expected));
  }
}
