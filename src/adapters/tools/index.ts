/**
 * Guards tools that run in the agent's own process.
 *
 * @module hopguard/tools
 */
export { guardTools } from "./guard-tools";
export type { InnerCall, MetaTool } from "../shared/meta-tools";
export type { GuardToolsOptions } from "./options";
export type { GuardedTools, LocalTool, LocalTools } from "./local-tool";
