/**
 * The shapes of MCP's servers and their transports, described and not imported: both lines of the SDK have them, and neither needs to be
 * installed for the other's sake.
 */

/** The part of `TransportSendOptions` that a server's transport goes by. */
export interface ServerSendOptions {
  readonly relatedRequestId?: string | number | undefined;
}

/** A server's transport as the guard uses it, whichever SDK it comes from. */
export interface ServerTransport {
  send(message: unknown, options?: ServerSendOptions): Promise<void>;
  close(): Promise<void>;
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: unknown, extra?: unknown) => void) | undefined;
  readonly sessionId?: string | undefined;
}

/** Any SDK's server transport: what `guardServerTransport` takes. */
export interface AnyServerTransport {
  /** Opens the connection. */
  start(): Promise<void>;
  /** Sends one message. */
  send(message: never, options?: never): Promise<void>;
  /** Closes the connection. */
  close(): Promise<void>;
}

/** Any SDK's MCP server, `McpServer` or `Server`. */
export interface AnyMcpServer {
  /** Attaches the server to a transport. */
  connect(transport: never): Promise<void>;
  /** Closes the connection. */
  close(): Promise<void>;
}

/** What policies read as `R.attr.transport`: a guess by what a transport has, on which no rule should rest. */
export function serverTransportName(transport: object): "stdio" | "streamable-http" | "sse" | "other" {
  if ("_stdin" in transport) return "stdio";
  if ("handleRequest" in transport) return "streamable-http";
  return "handlePostMessage" in transport ? "sse" : "other";
}
