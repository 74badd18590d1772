/**
 * Guards agents of the OpenAI Agents SDK.
 *
 * @module hopguard/openai-agents
 */
export { agentTool, type AgentToolOptions, type AgentWithTool } from "./agent-tool";
export { guardAgent } from "./guard-agent";
export type { GuardAgentOptions, HandedOn } from "./options";
export type { AgentToolsOptions } from "../shared/agent-tools/options";
export type { ToolMap, ToolOrigin } from "../shared/model-api/options";
