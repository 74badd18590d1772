import { AuthorizationDeniedError } from "../../core/errors";
import type { JsonObject, JsonValue } from "../../core/json";
import type { Decision, Denial, Hop, Session } from "../../index";
import { ClientRequests } from "./client-requests";
import { cancelledId, isNotification, isRequest, isResponse, type RequestId } from "./json-rpc";
import { CLIENT_NOTIFICATIONS, CLIENT_REQUESTS, SERVER_NOTIFICATIONS } from "./methods";
import type { Settings } from "./options";
import { OwnRequests } from "./own-requests";
import { unsupported, type Refused } from "./question";
import type { Knowledge } from "./questions";
import type { ServerMemory } from "./server-memory";
import { ServerPolicy, type AsSender } from "./server-policy";
import { ServerRequests } from "./server-requests";
import { ToolCalls } from "./tool-calls";
import type { Catalogue } from "./tool-catalogue";
import type { SendOptions } from "./transport";
import type { Ends } from "./wire";

/** What a guard of messages knows of its server. */
export interface Surroundings {
  /** What policies read as `R.attr.transport`. */
  readonly transport: string;
  readonly catalogue: Catalogue;
  readonly memory: Omit<ServerMemory, "pins">;
  /** Fetches a page of the server's tools. Default: the server is asked, if the policy allows the session to list them. */
  readonly listPage?: (
    params: JsonObject,
    ask: (params: JsonObject) => Promise<JsonObject>,
  ) => Promise<JsonObject>;
}

/**
 * Stands between a client and a server and lets nothing past unchecked, in either direction. It knows of no transport: whoever has the messages
 * hands them in and takes them on.
 */
export class MessageGuard {
  /** Opening the server. */
  readonly opening: Hop;
  readonly #session: () => Session;
  readonly #ends: Ends;
  readonly #policy: ServerPolicy;
  readonly #catalogue: Catalogue;
  readonly #own: OwnRequests;
  readonly #fromClient: ClientRequests;
  readonly #fromServer: ServerRequests;
  #isOpen = false;
  /** While it is there, what the server says of its own accord is heard. */
  #stopListening: (() => void) | undefined;

  /** @param session - Asked on every message, since whom the messages are for may be proven anew. */
  constructor(ends: Ends, session: () => Session, settings: Settings, surroundings: Surroundings) {
    const { server } = settings;
    const { transport, catalogue, memory } = surroundings;
    const wire = {
      send: (...message: Parameters<Ends["toServer"]>) => ends.toServer(...message),
      deliver: (...message: Parameters<Ends["toClient"]>) => ends.toClient(...message),
      allowed: () => this.listen(),
      report: (error: unknown) => ends.report(error),
    };
    this.opening = { kind: `mcp_${server}`, action: "initialize", attr: { transport } };
    this.#session = session;
    this.#ends = ends;
    this.#policy = new ServerPolicy((ask) => ask(session()), server, Object.fromEntries(settings.effects));
    this.#catalogue = catalogue;
    this.#own = new OwnRequests((request) => ends.toServer(request));
    const ask = (params: JsonObject): Promise<JsonObject> => this.#own.ask("tools/list", params);
    const askIfAllowed = async (params: JsonObject): Promise<JsonObject> => {
      await this.#policy.authorizeAll([{ action: "tools/list", attr: { transport } }]);
      return ask(params);
    };
    const listPage = (params: JsonObject): Promise<JsonObject> =>
      surroundings.listPage ? surroundings.listPage(params, ask) : askIfAllowed(params);
    const { tasks, clientTasks, resumptions } = memory;
    const knowledge: Knowledge = {
      transport,
      tools: new ToolCalls(settings, catalogue, listPage),
      tasks,
      clientTasks,
    };
    this.#fromClient = new ClientRequests(
      wire,
      this.#policy,
      catalogue,
      knowledge,
      resumptions,
      settings.audience,
    );
    this.#fromServer = new ServerRequests(wire, this.#policy, knowledge);
  }

  /** From now on messages may pass. */
  open(): void {
    this.#isOpen = true;
  }

  /**
   * Takes a message of the client's, which was read once, and passes it on if the policy allows it. A request that it does not allow is
   * answered in the server's place; a notification is dropped and reported.
   *
   * @param sender - Whom a request is decided for, where that is not the same for all messages.
   * @throws {AuthorizationDeniedError} for what cannot be answered, because it cannot be read.
   */
  async fromClient(message: JsonValue, options: SendOptions, sender?: AsSender): Promise<void> {
    if (isRequest(message)) return this.#fromClient.send(message, options, sender);
    if (options.resumptionToken !== undefined) {
      throw await this.denied(unsupported("unknown", "Only the request that began a stream can resume it."));
    }
    if (isResponse(message)) return this.#fromServer.send(message, options);
    if (!isNotification(message)) {
      throw await this.denied(unsupported("unknown", "This is not one JSON-RPC message."));
    }
    if (!CLIENT_NOTIFICATIONS.has(message.method)) {
      const unknown = unsupported(message.method, "The guard does not know this notification.");
      this.#ends.report(await this.denied(unknown));
      return;
    }
    const cancelled = cancelledId(message);
    if (cancelled !== undefined && this.#fromClient.cancel(cancelled)) return;
    await this.#ends.toServer(message, options);
  }

  /** A message that no policy is asked about still tells the server something: whoever may not open it, or not any more, says nothing to it. */
  needsOpening(message: JsonValue): boolean {
    return !this.isListening && this.#isUndecided(message);
  }

  /** Asks about opening the server, and resolves to the denial. */
  async reopen(sender?: AsSender): Promise<Denial | undefined> {
    const ask = (session: Session): Promise<Decision> => session.check(this.opening);
    const decision = await (sender ? sender(ask) : ask(this.#session()));
    if (decision.effect === "deny") return decision.denial;
    decision.settle("done");
    this.listen();
    return undefined;
  }

  #isUndecided(message: JsonValue): boolean {
    if (isRequest(message)) return CLIENT_REQUESTS.get(message.method) === "pass";
    if (!isNotification(message)) return false;
    const cancelled = cancelledId(message);
    return cancelled === undefined || !this.isUnderWay(cancelled);
  }

  /** Takes what the server says, and passes on what the client may see of it. At once where nothing has to be asked. */
  fromServer(message: unknown, extra: unknown): void {
    if (isResponse(message)) {
      if (!this.#own.take(message)) this.#fromClient.receive(message, extra);
    } else if (isRequest(message)) {
      this.#fromServer.receive(message, extra).catch((error: unknown) => this.#ends.report(error));
    } else if (isNotification(message)) {
      this.#hear(message, extra);
    } else {
      this.#ends.report(new Error("The server sent something that is not one JSON-RPC message."));
    }
  }

  /** Whether the client waits for the answer to a request of this id. */
  isUnderWay(id: RequestId): boolean {
    return this.#fromClient.isUnderWay(id);
  }

  /** Whether what nobody has asked for may pass: since a request was allowed, until authority to open the server is withdrawn. */
  get isListening(): boolean {
    return this.#stopListening !== undefined;
  }

  /** A request of the client's will not be answered, and nobody waits for it. */
  abandon(id: RequestId): void {
    this.#fromClient.cancel(id);
  }

  /** The denial of what needs no asking. It is recorded like any other. */
  deny(question: Refused): Promise<Denial> {
    return this.#policy.deny(question);
  }

  async denied(question: Refused): Promise<AuthorizationDeniedError> {
    return new AuthorizationDeniedError(await this.deny(question));
  }

  /** A connection outlives the authority to open it. What nobody asked for is then not heard, until a request is allowed again. */
  listen(): void {
    if (!this.#isOpen) return;
    this.#stopListening ??= this.#session().watch(this.opening, () => (this.#stopListening = undefined));
  }

  /** Nothing passes any more, and nothing will be answered. */
  close(): void {
    this.#isOpen = false;
    this.#stopListening?.();
    this.#stopListening = undefined;
    this.#own.close();
    this.#fromClient.close();
    this.#fromServer.close();
  }

  #hear(notification: JsonObject & { readonly method: string }, extra: unknown): void {
    const { method } = notification;
    const drop = (reason: string): void => this.#ends.report(new Error(reason));
    // The guard goes by what the tools are, whoever may hear that they have changed.
    if (method === "notifications/tools/list_changed") this.#catalogue.outdate();
    if (!this.#stopListening) {
      drop("A notification of the server was dropped: this session may not open it any more.");
      return;
    }
    if (!SERVER_NOTIFICATIONS.has(method)) {
      drop("The server sent a notification that the guard does not know.");
      return;
    }
    const cancelled = isNotification(notification) ? cancelledId(notification) : undefined;
    if (cancelled !== undefined && this.#fromServer.cancel(cancelled)) return;
    this.#ends.toClient(notification, extra);
  }
}
