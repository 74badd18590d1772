/**
 * Guards the MCP servers that an agent opens: a client-side transport that checks each message.
 *
 * @module hopguard/mcp
 */
export { guardTransport } from "./guard-transport";
export { DENIED_CODE } from "./denial-message";
export type { InnerCall, MetaTool } from "../shared/meta-tools";
export type { GuardTransportOptions } from "./options";
export type { AnyClientTransport, GuardedTransport } from "./transport";
