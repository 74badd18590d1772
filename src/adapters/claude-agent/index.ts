/**
 * Guards agents of the Claude Agent SDK.
 *
 * @module hopguard/claude-agent
 */
export { guardQueryOptions, type GuardedQuery } from "./guard-query-options";
export type { GuardQueryOptions } from "./options";
export type { RefusedOption } from "./refused-options";
export type { QueryOptions } from "./sdk-types";
export type { InnerCall, MetaTool } from "../shared/meta-tools";
export type { AdmittedEndpoint, ModelGuardOptions, ToolMap, ToolOrigin } from "../shared/model-api/options";
