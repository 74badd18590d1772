/**
 * Guards tools that run in the agent's own process.
 *
 * @module hopguard/tools
 */
export { guardTools, type GuardToolsOptions } from "./guard-tools";
export type { GuardedTools, LocalTool, LocalTools } from "./local-tool";
