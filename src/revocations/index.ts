/**
 * The kill switch over HTTP.
 *
 * @module hopguard/revocations
 */
export { revocationHandler, type RevocationHandlerOptions } from "./revocation-handler";
