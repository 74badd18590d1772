/**
 * Guards the models and tools of LangChain.js and LangGraph.
 *
 * @module hopguard/langchain
 */
export { HopguardCallbackHandler } from "./callback-handler";
export { guardLangChainTools, type GuardedLangChainTools } from "./guard-langchain-tools";
export { hopguardMiddleware } from "./middleware";
export { mcpToolMap } from "./mcp-tool-map";
export type { HopguardCallbackHandlerOptions } from "./handler-options";
export type { HopguardMiddlewareOptions } from "./middleware";
export type { LangChainTool } from "./guarded-tool";
export type { McpToolMapOptions } from "./mcp-tool-map";
export type { ModelCheckOptions, ToolCheckOptions } from "./options";
