import type { ServerSendOptions, ServerTransport } from "./server-transport";

/** A transport is guarded once: what two guards let past, neither could account for. */
const intercepted = new WeakSet();

export const isIntercepted = (transport: object): boolean => intercepted.has(transport);

/** No message is this. */
const NOTHING = Symbol("no message");

/** Who stands in a transport. */
export interface Interceptor {
  /** The transport has received a message. */
  received(message: unknown, extra: unknown): void;
  /** The server sends a message. */
  sent(message: unknown, options: ServerSendOptions | undefined): Promise<void>;
  /** The connection has ended. */
  closed(): void;
}

/** The two ends of a transport behind the interceptor. */
export interface Passage {
  /** To the server, within this call: SDK 2 makes an HTTP status of an error that is there when this returns. */
  toServer(message: object, extra?: unknown): void;
  /** To the client. */
  toClient(message: object, options?: ServerSendOptions): Promise<void>;
  report(error: unknown): void;
  close(): Promise<void>;
}

/**
 * Stands in a server's transport, in place. It is no wrapper, because SDK 2 reads the protocol's revision out of a private field of the very
 * transport that it is given.
 */
export function intercept(transport: ServerTransport, interceptor: Interceptor): Passage {
  intercepted.add(transport);
  const send = transport.send.bind(transport);
  let underway: unknown = NOTHING;
  // A server's SDK takes up the listener that was there before and calls it with each message that it is handed.
  const messages = listen(transport, "onmessage", (listener) => (message: unknown, extra?: unknown) => {
    if (message === underway) listener(message, extra);
    else interceptor.received(message, extra);
  });
  listen(transport, "onclose", (listener) => () => {
    interceptor.closed();
    listener();
  });
  transport.onclose ??= () => undefined;
  Object.defineProperty(transport, "send", {
    // Async only so that what it throws is what the server's promise rejects with.
    value: async (message: unknown, options?: ServerSendOptions) => interceptor.sent(message, options),
    writable: true,
    configurable: true,
  });

  const report = (error: unknown): void =>
    transport.onerror?.(error instanceof Error ? error : new Error(String(error)));
  return {
    toServer: (message, extra) => {
      const before = underway;
      underway = message;
      try {
        messages.current?.(message, extra);
      } catch (error) {
        report(error);
      } finally {
        underway = before;
      }
    },
    toClient: (message, options) => send(message, options),
    report,
    close: () => transport.close(),
  };
}

/**
 * Puts something in front of a listener, whenever it is set. Node's transports have accessors, behind which another transport has the listener
 * that counts.
 */
function listen<Name extends "onmessage" | "onclose">(
  transport: ServerTransport,
  name: Name,
  before: (listener: NonNullable<ServerTransport[Name]>) => NonNullable<ServerTransport[Name]>,
): { readonly current: ServerTransport[Name] } {
  type Listener = ServerTransport[Name];
  const inherited = accessorOf(transport, name);
  const state: { current: Listener; guarded: Listener } = { current: undefined, guarded: undefined };
  const set = (listener: Listener): void => {
    state.current = listener;
    state.guarded = listener && before(listener);
    inherited?.(state.guarded);
  };
  const given = transport[name];
  Object.defineProperty(transport, name, {
    get: () => state.guarded,
    set,
    enumerable: true,
    configurable: true,
  });
  set(given);
  return state;
}

function accessorOf(transport: object, name: string): ((listener: unknown) => void) | undefined {
  for (let prototype: unknown = Object.getPrototypeOf(transport); prototype;) {
    const accessor = Object.getOwnPropertyDescriptor(prototype, name);
    if (accessor?.set) return accessor.set.bind(transport);
    prototype = Object.getPrototypeOf(prototype) as unknown;
  }
  return undefined;
}
