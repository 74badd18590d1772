import { AuthorizationDeniedError } from "../../core/errors";
import type { JsonValue } from "../../core/json";
import type { Session } from "../../index";
import { withoutAssertion } from "./carried-assertion";
import { denialAnswer } from "./denial-message";
import { isNotification, isRequest, readMessage } from "./json-rpc";
import { MessageGuard } from "./message-guard";
import type { Settings } from "./options";
import { malformed } from "./question";
import { memoryOf } from "./server-memory";
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
  readonly #guard: MessageGuard;
  /** From `start()` to the end of the connection. */
  #connection: AbortController | undefined;
  #isOpen = false;

  constructor(inner: ClientTransport, session: Session, settings: Settings) {
    const { pins, ...memory } = memoryOf(session, settings.server);
    this.#inner = inner;
    this.#session = session;
    this.#guard = new MessageGuard(
      {
        toServer: (message, options) => inner.send(message, options),
        toClient: (message, extra) => this.#deliver(message, extra),
        report: (error) => this.#report(error),
      },
      () => session,
      settings,
      { transport: transportName(inner), catalogue: new ToolCatalogue(pins, settings.admit), memory },
    );

    // Whoever observed the transport before goes on, and sees what the client sees.
    ({ onclose: this.onclose, onerror: this.onerror, onmessage: this.onmessage } = inner);
    forward(inner, this, async () => {
      if (!this.#isOpen) await session.authorize(this.#guard.opening);
    });
  }

  /**
   * Opens the connection if the policy allows it. No process is spawned and no byte is sent before.
   *
   * @throws {AuthorizationDeniedError} and {ApprovalRequiredError} with the denial.
   */
  async start(): Promise<void> {
    const connection = (this.#connection = new AbortController());
    this.#inner.onmessage = (message, extra) => this.#guard.fromServer(message, extra);
    this.#inner.onerror = (error) => this.#report(error);
    this.#inner.onclose = () => {
      this.#end();
      this.onclose?.();
    };
    await this.#session.authorize(this.#guard.opening, { signal: connection.signal });
    connection.signal.throwIfAborted();
    await this.#inner.start();
    this.#isOpen = true;
    this.#guard.open();
    this.#guard.listen();
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
      throw await this.#guard.denied(
        malformed("unknown", "The message", `a JSON-RPC message: it ${(error as Error).message}`),
      );
    }
    const ours = isRequest(message) || isNotification(message) ? withoutAssertion(message) : message;
    // Read once, like the message.
    const options = { ...givenOptions };
    const denial = this.#guard.needsOpening(ours) ? await this.#guard.reopen() : undefined;
    if (denial) {
      if (isRequest(ours)) this.#deliver(denialAnswer(ours, denial));
      else this.#report(new AuthorizationDeniedError(denial));
      return;
    }
    return this.#guard.fromClient(ours, options);
  }

  async close(): Promise<void> {
    this.#end();
    await this.#inner.close();
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
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

  #end(): void {
    this.#isOpen = false;
    this.#connection?.abort();
    this.#guard.close();
  }
}
