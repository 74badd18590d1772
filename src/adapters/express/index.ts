/**
 * Guards endpoints of Express 5: model APIs, and an application's own routes.
 *
 * @module hopguard/express
 */
export { authorize } from "./authorize";
export type { ExpressContext, ExpressRequest } from "./express-request";
export { guardRequests } from "./guard-requests";
export type { ExpressMiddleware } from "./middleware";
export type { AuthorizeOptions, HopOf } from "../http/authorizer";
export type { CallerOptions } from "../http/caller";
export type { GuardRequestsOptions } from "../http/model-front-door";
export type { RequestContext, RequestDecision } from "../http/request-guard";
export type { AdmittedEndpoint, ModelGuardOptions, ToolMap, ToolOrigin } from "../shared/model-api/options";
export type { ModelApi } from "../shared/model-api/routes";
export { guardMcpServer } from "./guard-mcp-server";
export type { ExpressMcpServer } from "./guard-mcp-server";
export type { McpRequestContext } from "../mcp-server/admission";
export type { CreateMcpServer, GuardMcpServerOptions } from "../mcp-server/options";
