/**
 * The shapes of MCP's client transports, described and not imported: both lines of the SDK have them, and neither needs to be installed
 * for the other's sake.
 */

/** The part of `TransportSendOptions` that the guard reads; the rest goes along unread. */
export interface SendOptions {
  /** SDK 2 cancels a request of revision 2026-07-28 by aborting this, without a notification. */
  readonly requestSignal?: AbortSignal | undefined;
  /** Sends no message, but fetches what is left of the stream that the token stands for. */
  readonly resumptionToken?: string | undefined;
  /** Sent along with the message, by SDK 2 over HTTP. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly onresumptiontoken?: ((token: string) => void) | undefined;
}

/** A client's transport as the guard uses it, whichever SDK it comes from. */
export interface ClientTransport {
  start(): Promise<void>;
  send(message: unknown, options?: SendOptions): Promise<void>;
  close(): Promise<void>;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: unknown, extra?: unknown) => void) | undefined;
  readonly sessionId?: string | undefined;
}

/** Any SDK's client transport: what `guardTransport` takes. */
export interface AnyClientTransport {
  /** Opens the connection. */
  start(): Promise<void>;
  /** Sends one message. */
  send(message: never, options?: never): Promise<void>;
  /** Closes the connection. */
  close(): Promise<void>;
}

/** Methods that are passed on where a transport has them. None of them carries a message. */
const LOCAL_METHODS = ["setProtocolVersion", "setSupportedProtocolVersions"] as const;

/** These speak to the server, without a message: to a server that the policy allows to open. */
const REMOTE_METHODS = ["finishAuth", "terminateSession"] as const;

const isRemote = (name: string): boolean => (REMOTE_METHODS as readonly string[]).includes(name);

/** Properties that are passed on where a transport has them: SDK 2 takes a transport with `stderr` and `pid` for a process. */
const FORWARDED_PROPERTIES = ["protocolVersion", "hasPerRequestStream", "stderr", "pid"] as const;

type Surface =
  | keyof ClientTransport
  | (typeof LOCAL_METHODS)[number]
  | (typeof REMOTE_METHODS)[number]
  | (typeof FORWARDED_PROPERTIES)[number];

/** What of a transport's own type is left when it is guarded: a transport of the same SDK, without the ways around the guard. */
export type GuardedTransport<T> = Pick<T, Extract<keyof T, Surface>>;

/**
 * What policies read as `R.attr.transport`: a guess by the methods that a transport has, since names of classes do not survive a
 * bundler. No rule should rest on it.
 */
export function transportName(transport: object): "stdio" | "streamable-http" | "sse" | "other" {
  if ("pid" in transport && "stderr" in transport) return "stdio";
  if ("terminateSession" in transport) return "streamable-http";
  return "finishAuth" in transport ? "sse" : "other";
}

/**
 * Gives the guarded transport what the inner one has beside messages, and nothing that it has not.
 *
 * @param authorize - Rejects where the server may not be opened.
 */
export function forward(inner: object, guarded: object, authorize: () => Promise<void>): void {
  for (const name of [...LOCAL_METHODS, ...REMOTE_METHODS]) {
    const method = (inner as Partial<Record<string, unknown>>)[name];
    if (typeof method !== "function") continue;
    const run = (...args: unknown[]): unknown => Reflect.apply(method, inner, args);
    const authorized = (...args: unknown[]): unknown => authorize().then(() => run(...args));
    const value = isRemote(name) ? authorized : run;
    Object.defineProperty(guarded, name, { value, writable: true, configurable: true });
  }
  for (const name of FORWARDED_PROPERTIES) {
    if (!(name in inner)) continue;
    Object.defineProperty(guarded, name, {
      get: () => (inner as Record<string, unknown>)[name],
      enumerable: true,
      configurable: true,
    });
  }
}
