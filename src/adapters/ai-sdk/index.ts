/**
 * Guards models and tools of the AI SDK (`ai` 6 and 7).
 *
 * @module hopguard/ai-sdk
 */
export { guardProvider } from "./guard-provider";
export {
  hopguardEmbeddingMiddleware,
  hopguardImageMiddleware,
  hopguardMiddleware,
  type EmbeddingMiddleware,
  type ImageMiddleware,
  type LanguageMiddleware,
} from "./middleware";
export type { ModelOptions } from "./model-options";
export { noModelsByName } from "./no-models-by-name";
export { guardTools, type GuardToolsOptions } from "./guard-tools";
export { hopguardApproval, type ApprovalQuestion, type ApprovalRule } from "./tool-approval";
export type { ApprovalStatus, ApprovalType } from "./approval-status";
export type { AiTool, AiTools } from "./tool-shape";
export type { AgentToolsOptions } from "../shared/agent-tools/options";
export type { ToolMap, ToolOrigin } from "../shared/model-api/options";
