/**
 * Guards clients of `openai`.
 *
 * @module hopguard/openai
 */
export { guardOpenAI, type GuardOpenAIOptions } from "./guard-openai";
export type { AdmittedEndpoint, ToolMap, ToolOrigin } from "../shared/model-api/options";
