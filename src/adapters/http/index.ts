/**
 * Guards HTTP endpoints where requests arrive, on the web's own `Request` and `Response`: model APIs, and an application's own routes.
 *
 * @module hopguard/http
 */
export { authorize } from "./authorize";
export type { AuthorizeOptions, HopOf } from "./authorizer";
export type { CallerOptions } from "./caller";
export { guardRequests } from "./guard-requests";
export type { GuardRequestsOptions } from "./model-front-door";
export type { RequestContext, RequestDecision, RequestGuard, RequestHandler } from "./request-guard";
export type { AdmittedEndpoint, ModelGuardOptions, ToolMap, ToolOrigin } from "../shared/model-api/options";
export type { ModelApi } from "../shared/model-api/routes";
