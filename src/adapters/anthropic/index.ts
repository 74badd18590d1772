/**
 * Guards clients of `@anthropic-ai/sdk`.
 *
 * @module hopguard/anthropic
 */
export { guardAnthropic, type GuardAnthropicOptions } from "./guard-anthropic";
export type { AdmittedEndpoint, ToolMap, ToolOrigin } from "../shared/model-api/options";
