import { isLegacyRequest } from "@modelcontextprotocol/server";
import type { AnyClientTransport } from "hopguard/mcp";
import type { McpEndpoint } from "../../../examples/support-desk/servers/mcp-http";
import { exchange } from "./exchange";
import { sessionRelay } from "./session-relay";

/** As much of a JSON-RPC message as a relay looks at. */
export interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly result?: Readonly<Record<string, unknown>>;
}

/** A client's transport, of whichever SDK, as a relay uses it. */
export interface RelayTransport {
  start(): Promise<void>;
  send(message: Message, options?: { readonly requestSignal: AbortSignal }): Promise<void>;
  close(): Promise<void>;
  onmessage?: ((message: Message) => void) | undefined;
}

/** Puts a guard in front of a transport, or nothing. */
export type Wrap = (transport: AnyClientTransport) => RelayTransport;

/**
 * Hands what it is sent to an upstream server, message by message, by way of a client's transport: of SDK 1 for revisions that have
 * sessions, and of SDK 2 for revision 2026-07-28. It knows no more of MCP than it must, so that what the suite finds is what the upstream
 * and the transport make of it.
 */
export function relayEndpoint(upstream: URL, wrap: Wrap): McpEndpoint {
  const sessions = sessionRelay(upstream, wrap);
  return {
    fetch: async (request) =>
      (await isLegacyRequest(request)) ? sessions.fetch(request) : exchange(request, upstream, wrap),
    close: () => sessions.close(),
  };
}
