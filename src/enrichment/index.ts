/**
 * Providers of attributes (PIP) that are ready to use: HTTP services, databases, OpenID providers.
 *
 * @module hopguard/enrichment
 */
export { argumentsOf } from "./arguments-of";
export { httpJson, type HttpJsonOptions } from "./http-json";
export { oidcUserinfo, type OidcUserinfoOptions } from "./oidc-userinfo";
export type { ProviderOptions } from "./provider-options";
export { sqlQuery, type SqlQueryOptions } from "./sql-query";
