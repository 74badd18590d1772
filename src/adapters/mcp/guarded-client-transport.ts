import { AuthorizationDeniedError } from "../../core/errors";
import type { JsonObject, JsonValue } from "../../core/json";
import type { Hop, Session } from "../../index";
import { withoutAssertion } from "./carried-assertion";
import { ClientRequests } from "./client-requests";
import {
  cancelledId,
  isNotification,
  isRequest,
  isResponse,
  readMessage,
  type JsonRpcNotification,
} from "./json-rpc";
import { CLIENT_NOTIFICATIONS, SERVER_NOTIFICATIONS } from "./methods";
import type { Settings } from "./options";
import { OwnRequests } from "./own-requests";
import { malformed, unsupported, type Refused } from "./question";
import type { Knowledge } from "./questions";
import { memoryOf } from "./server-memory";
import { ServerPolicy } from "./server-policy";
import { ServerRequests } from "./server-requests";
import { ToolCalls } from "./tool-calls";
import { ToolCatalogue } from "./tool-catalogue";
import { forward, transportName, type ClientTransport, type SendOptions } from "./transport";

/**
 * A transport that stands in front of another and lets nothing past unchecked, in either direction. It is a class and not a Proxy, because
 * SDK 2 makes a second transport of a transport's `constructor`, which would be an unguarded one.
 */
export class GuardedClientTransport implements ClientTransport {
  onclose: (() => void) | undefined;
  onerror: ((error: Error) => void) | undefined;
  onmessage: ((message: unknown, extra?: unknown) => void) | undefined;

  readonly #inner: ClientTransport;
  readonly #session: Session;
  readonly #policy: ServerPolicy;
  readonly #opening: Hop;
  readonly #catalogue: ToolCatalogue;
  readonly #own: OwnRequests;
  readonly #fromClient: ClientRequests;
  readonly #fromServer: ServerRequests;
  /** From `start()` to the end of the connection. */
  #connection: AbortController | undefined;
  #isOpen = false;
  /** While it is there, what the server says of its own accord is heard. */
  #stopListening: (() => void) | undefined;

  constructor(inner: ClientTransport, session: Session, settings: Settings) {
    const { server } = settings;
    const transport = transportName(inner);
    const wire = {
      send: (message: object, options?: SendOptions) => inner.send(message, options),
      deliver: (message: object, extra?: unknown) => this.#deliver(message, extra),
      allowed: () => this.#listen(),
      report: (error: unknown) => this.#report(error),
    };
    this.#inner = inner;
    this.#session = session;
    this.#policy = new ServerPolicy(session, server, Object.fromEntries(settings.effects));
    this.#opening = { kind: `mcp_${server}`, action: "initialize", attr: { transport } };
    const { pins, tasks, clientTasks, resumptions } = memoryOf(session, server);
    this.#catalogue = new ToolCatalogue(pins, settings.admit);
    this.#own = new OwnRequests(wire.send);
    const listPage = async (params: JsonObject): Promise<JsonObject> => {
      await this.#policy.authorizeAll([{ action: "tools/list", attr: { transport } }]);
      return this.#own.ask("tools/list", params);
    };
    const tools = new ToolCalls(settings, this.#catalogue, listPage);
    const knowledge: Knowledge = { transport, tools, tasks, clientTasks };
    this.#fromClient = new ClientRequests(
      wire,
      this.#policy,
      this.#catalogue,
      knowledge,
      resumptions,
      settings.audience,
    );
    this.#fromServer = new ServerRequests(wire, this.#policy, knowledge);

    // Whoever observed the transport before goes on, and sees what the client sees.
    ({ onclose: this.onclose, onerror: this.onerror, onmessage: this.onmessage } = inner);
    forward(inner, this, async () => {
      if (!this.#isOpen) await session.authorize(this.#opening);
    });
  }

  /**
   * Opens the connection if the policy allows it. No process is spawned and no byte is sent before.
   *
   * @throws {AuthorizationDeniedError} and {ApprovalRequiredError} with the denial.
   */
  async start(): Promise<void> {
    const connection = (this.#connection = new AbortController());
    this.#inner.onmessage = (message, extra) => this.#receive(message, extra);
    this.#inner.onerror = (error) => this.#report(error);
    this.#inner.onclose = () => {
      this.#end();
      this.onclose?.();
    };
    await this.#session.authorize(this.#opening, { signal: connection.signal });
    connection.signal.throwIfAborted();
    await this.#inner.start();
    this.#isOpen = true;
    this.#listen();
  }

  /**
   * Sends a message if the policy allows it. A request that it does not allow is answered in the server's place; a notification is
   * dropped and reported to `onerror`.
   *
   * @throws {AuthorizationDeniedError} for what cannot be answered, because it cannot be read.
   */
  async send(given: unknown, givenOptions?: SendOptions): Promise<void> {
    if (!this.#isOpen) throw new Error("The transport is not started.");
    let message: JsonValue;
    try {
      message = readMessage(given);
    } catch (error) {
      throw await this.#denied(
        malformed("unknown", "The message", `a JSON-RPC message: it ${(error as Error).message}`),
      );
    }
    // Read once, like the message.
    const options = { ...givenOptions };
    if (isRequest(message)) return this.#fromClient.send(withoutAssertion(message), options);
    if (options.resumptionToken !== undefined) {
      throw await this.#denied(unsupported("unknown", "Only the request that began a stream can resume it."));
    }
    if (isResponse(message)) return this.#fromServer.send(message, options);
    if (isNotification(message)) return this.#notify(withoutAssertion(message), options);
    throw await this.#denied(unsupported("unknown", "This is not one JSON-RPC message."));
  }

  async close(): Promise<void> {
    this.#end();
    await this.#inner.close();
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
  }

  async #notify(notification: JsonRpcNotification, options?: SendOptions): Promise<void> {
    const { method } = notification;
    if (!CLIENT_NOTIFICATIONS.has(method)) {
      this.#report(await this.#denied(unsupported(method, "The guard does not know this notification.")));
      return;
    }
    const cancelled = cancelledId(notification);
    if (cancelled !== undefined && this.#fromClient.cancel(cancelled)) return;
    await this.#inner.send(notification, options);
  }

  #receive(message: unknown, extra: unknown): void {
    if (isResponse(message)) {
      if (!this.#own.take(message)) this.#fromClient.receive(message, extra);
    } else if (isRequest(message)) {
      this.#fromServer.receive(message, extra).catch((error: unknown) => this.#report(error));
    } else if (isNotification(message)) {
      this.#hear(message, extra);
    } else {
      this.#report(new Error("The server sent something that is not one JSON-RPC message."));
    }
  }

  #hear(notification: JsonRpcNotification, extra: unknown): void {
    const { method } = notification;
    if (!this.#stopListening) {
      this.#report(
        new Error("A notification of the server was dropped: this session may not open it any more."),
      );
      return;
    }
    if (!SERVER_NOTIFICATIONS.has(method)) {
      this.#report(new Error("The server sent a notification that the guard does not know."));
      return;
    }
    if (method === "notifications/tools/list_changed") this.#catalogue.complete = false;
    const cancelled = cancelledId(notification);
    if (cancelled !== undefined && this.#fromServer.cancel(cancelled)) return;
    this.#deliver(notification, extra);
  }

  #deliver(message: object, extra?: unknown): void {
    try {
      this.onmessage?.(message, extra);
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.onerror?.(error instanceof Error ? error : new Error(String(error)));
  }

  async #denied(question: Refused): Promise<AuthorizationDeniedError> {
    return new AuthorizationDeniedError(await this.#policy.deny(question));
  }

  /** A connection outlives the authority to open it. What nobody asked for is then not heard, until a request is allowed again. */
  #listen(): void {
    if (!this.#isOpen) return;
    this.#stopListening ??= this.#session.watch(this.#opening, () => (this.#stopListening = undefined));
  }

  #end(): void {
    this.#isOpen = false;
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#connection?.abort();
    this.#own.close();
    this.#fromClient.close();
    this.#fromServer.close();
  }
}
