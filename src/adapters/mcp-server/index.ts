/**
 * Guards MCP servers where they run: every message is decided before the server's own code sees it.
 *
 * @module hopguard/mcp-server
 */
export { guardMcpServer } from "./guard-mcp-server";
export type { GuardedMcpServer, GuardedMcpServers, McpRequestHandler } from "./guard-mcp-server";
export { guardServerTransport } from "./guard-server-transport";
export type { McpRequestContext } from "./admission";
export type { AuthInfo } from "./auth-info";
export type { CreateMcpServer, GuardMcpServerOptions, ServerGuardOptions } from "./options";
export type { AnyMcpServer, AnyServerTransport } from "./server-transport";
export type { CallerOptions } from "../http/caller";
export type { RequestDecision } from "../http/request-guard";
export { DENIED_CODE } from "../mcp/denial-message";
export type { InnerCall, MetaTool } from "../shared/meta-tools";
