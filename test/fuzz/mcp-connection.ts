import { guardTransport } from "hopguard/mcp";
import { META_TOOL, readCalls } from "./inner-calls";
import { EFFECTS, SERVER, type ServerSetup } from "./mcp-oracle";
import { MemoryServer, type Message } from "./mcp-server";
import { searchSchema } from "./schemas";
import type { Actor, World } from "./world";

/** Longer than any deadline of the guard's, and only waited for where nothing is ever answered. */
const PATIENCE_MS = 250;

/** A client in memory, its guarded transport, and the server behind it. */
export class Connection {
  readonly server: MemoryServer;
  readonly delivered: { readonly message: Message; readonly at: number }[] = [];
  readonly began = new Map<unknown, number>();
  readonly actor: Actor;
  openingBegan = 0;
  #reports = 0;
  readonly #world: World;
  readonly #guarded;
  readonly #waiting = new Map<unknown, (message: Message) => void>();

  constructor(world: World, of: 0 | 1, { untyped, overridden, inputRequest }: ServerSetup) {
    this.#world = world;
    this.actor = world.actor(of);
    const requests =
      inputRequest === undefined ? undefined : { one: { method: inputRequest, params: { maxTokens: 1 } } };
    this.server = new MemoryServer(() => world.ledger.moment(), requests);
    this.#guarded = guardTransport(this.server, this.actor.session, {
      server: SERVER,
      untyped,
      effects: EFFECTS,
      metaTools: { [META_TOOL]: readCalls },
      ...(overridden && { schemas: { search: searchSchema.schema } }),
    });
    this.#guarded.onerror = () => {
      this.#reports++;
    };
    this.#guarded.onmessage = (message) => this.#hear(message as Message);
  }

  async open(): Promise<unknown> {
    this.openingBegan = this.#world.ledger.moment();
    return this.#guarded.start();
  }

  /** Sends it as a client would, and waits for what comes of it. */
  async send(message: unknown, id: unknown): Promise<unknown> {
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    await this.#guarded.send(message);
    const isAnswered = id !== undefined && typeof (message as Message).method === "string";
    return isAnswered ? Promise.race([answer, patience()]) : undefined;
  }

  /** The server says something; until it is answered, or the guard reports that it is not to be. */
  async hear(message: unknown, id: unknown): Promise<void> {
    const reported = this.#reports;
    this.server.say(message);
    const isOver = (): boolean =>
      this.#reports > reported ||
      this.server.sent.some(({ text }) => text.includes(`"id":${JSON.stringify(id)}`));
    const until = performance.now() + PATIENCE_MS;
    while (id !== undefined && !isOver() && performance.now() < until) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  close(): Promise<void> {
    return this.#guarded.close();
  }

  #hear(message: Message): void {
    this.delivered.push({ message, at: this.#world.ledger.moment() });
    if (typeof message.method !== "string") this.#waiting.get(message.id)?.(message);
    else if ("id" in message) {
      void this.#guarded.send({ jsonrpc: "2.0", id: message.id, result: {} }).catch(() => undefined);
    }
  }
}

function patience(): Promise<undefined> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(undefined), PATIENCE_MS).unref();
  });
}
