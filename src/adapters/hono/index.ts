/**
 * Guards endpoints of Hono 4: model APIs, and an application's own routes.
 *
 * @module hopguard/hono
 */
export { authorize } from "./authorize";
export { guardRequests } from "./guard-requests";
export type { HopguardVariables } from "./variables";
export type { AuthorizeOptions, HopOf } from "../http/authorizer";
export type { CallerOptions } from "../http/caller";
export type { GuardRequestsOptions } from "../http/model-front-door";
export type { RequestContext, RequestDecision } from "../http/request-guard";
export type { AdmittedEndpoint, ModelGuardOptions, ToolMap, ToolOrigin } from "../shared/model-api/options";
export type { ModelApi } from "../shared/model-api/routes";
export { guardMcpServer } from "./guard-mcp-server";
export type { HonoMcpServer } from "./guard-mcp-server";
export type { McpRequestContext } from "../mcp-server/admission";
export type { CreateMcpServer, GuardMcpServerOptions } from "../mcp-server/options";
