import type { JsonObject, JsonValue } from "../../core/json";
import type { Session } from "../../index";
import type { IncomingRequest } from "../http/front-door";
import { isRequest, isResponse, type RequestId } from "../mcp/json-rpc";
import { MessageGuard, type Surroundings } from "../mcp/message-guard";
import type { Settings } from "../mcp/options";
import type { AsSender } from "../mcp/server-policy";
import type { SendOptions } from "../mcp/transport";
import type { JointAllow } from "../shared/joint-decision";
import type { Caller } from "./caller";
import { Exchange } from "./exchange";
import type { Passage } from "./intercept";
import { asWritten, deliver, Sending } from "./sent-message";
import type { ServerSendOptions } from "./server-transport";
import { take } from "./take";

/** What a link is made of beside its caller. */
export interface LinkSurroundings extends Omit<Surroundings, "listPage"> {
  readonly settings: Settings;
  /** Lists the tools where no server is connected yet. */
  readonly listTools: (caller: Caller) => Promise<JsonObject>;
}

type IncomingMessage = Pick<IncomingRequest<unknown>, "headers" | "signal">;

/**
 * What joins a caller's HTTP requests to the server's transport: a session of MCP, or a single exchange where there are none. Messages are decided at
 * the HTTP request, before anything of the server's runs, and reviewed where the transport sends them, so that what is kept for clients
 * that come back has been reviewed as well.
 */
export class Link {
  readonly guard: MessageGuard;
  /** The id of the MCP session, once there is one. */
  sessionId: string | undefined;
  #caller: Caller;
  /** Requests that no transport has yet. */
  readonly #waiting = new Map<RequestId, Exchange>();
  #passage: Passage | undefined;
  /** What came with the newest message: the guard's own questions are asked in its name. */
  #extra: unknown;

  constructor(caller: Caller, { settings, listTools, ...surroundings }: LinkSurroundings) {
    this.#caller = caller;
    this.guard = new MessageGuard(
      {
        toServer: (message, options, allowed) => this.#toServer(message, options, allowed),
        toClient: (message, extra) => this.#toClient(message, extra),
        report: (error) => this.#passage?.report(error),
      },
      () => this.session,
      settings,
      {
        ...surroundings,
        listPage: (params, ask) => (this.#passage ? ask(params) : listTools(this.#caller)),
      },
    );
    this.guard.open();
  }

  get session(): Session {
    return this.#caller.session;
  }

  isOf({ key }: Caller): boolean {
    return this.#caller.key === key;
  }

  /**
   * The same caller has come again: with a newer token, or as somebody of whom other things are known now. Resolves to what has the session asked as it is for
   * this very request, whoever comes while it waits, and to that session for the handler.
   */
  async renew(caller: Caller): Promise<{ readonly ask: AsSender; readonly session: Session }> {
    const tokens = caller.newest;
    const renewed = (this.#caller = await this.#caller.renewedBy(caller));
    return { ask: (ask) => renewed.askWith(tokens, ask), session: renewed.sessionFor(caller) };
  }

  /** Decides a message. @throws {AuthorizationDeniedError} for what cannot be answered. */
  async decide(
    message: JsonValue,
    { headers, signal }: IncomingMessage,
    sender: AsSender,
  ): Promise<Exchange> {
    const exchange = new Exchange(signal);
    const revision = headers.get("mcp-protocol-version") ?? undefined;
    const isNew = isRequest(message) && !this.guard.isUnderWay(message.id);
    if (isNew) this.#waiting.set(message.id, exchange);
    try {
      const answer = await take(this.guard, message, exchange.options, revision, sender);
      if (answer) exchange.answer(answer);
      return exchange;
    } finally {
      if (isNew && exchange.outcome.kind !== "passed" && this.#waiting.get(message.id) === exchange) {
        this.#waiting.delete(message.id);
      }
    }
  }

  /** Joins the server's transport; false where another is joined already. */
  attach(passage: Passage): boolean {
    this.#passage ??= passage;
    return this.#passage === passage;
  }

  /** The transport has got the message that was let past: hands the server what was decided, within this call. */
  hand(exchange: Exchange, extra: unknown): boolean {
    const taken = exchange.take();
    if (!taken || !this.#passage) return false;
    const { message, denial } = taken;
    if (isRequest(message)) this.#waiting.delete(message.id);
    if (denial) {
      deliver(this.#passage, denial, undefined);
      return true;
    }
    // Who has taken a request back meanwhile waits for nothing.
    if (isRequest(message) && !this.guard.isUnderWay(message.id)) return true;
    this.#extra = extra;
    this.#passage.toServer(structuredClone(message), extra);
    return true;
  }

  /** The server sends a message. */
  sent(message: unknown, options: ServerSendOptions | undefined): Promise<void> {
    const sending = new Sending(options);
    this.guard.fromServer(asWritten(message), sending);
    return sending.delivery ?? Promise.resolve();
  }

  /** The HTTP answer has ended. What no transport has taken, nobody will answer. */
  finish(exchange: Exchange): void {
    const { outcome } = exchange;
    if (!exchange.isTaken && outcome.kind === "passed" && isRequest(outcome.message)) {
      const { id } = outcome.message;
      if (this.#waiting.get(id) === exchange) {
        this.#waiting.delete(id);
        this.guard.abandon(id);
      }
    }
    if (this.sessionId === undefined) this.close();
  }

  close(): void {
    this.guard.close();
  }

  /** Ends the session for the server, too. */
  async end(): Promise<void> {
    this.close();
    await this.#passage?.close();
  }

  #toServer(message: object, options?: SendOptions, allowed?: JointAllow): Promise<void> {
    const exchange = (options as Partial<Exchange["options"]> | undefined)?.exchange;
    if (exchange) exchange.pass(message, allowed);
    else this.#passage?.toServer(structuredClone(message), this.#extra);
    return Promise.resolve();
  }

  #toClient(message: object, extra: unknown): void {
    const waiting = isResponse(message) ? this.#waiting.get(message.id) : undefined;
    if (waiting && isResponse(message)) waiting.answer(message);
    else if (this.#passage) deliver(this.#passage, message, extra);
  }
}
