/**
 * Verified identity: JWTs of OpenID providers and other issuers, and JWT-SVIDs of SPIFFE workloads; logouts, delegations and assertions.
 *
 * @module hopguard/identity
 */
export { ASSERTION_HEADER, ASSERTION_META_KEY } from "../core/assertion-places";
export {
  assertionVerifier,
  InvalidAssertionError,
  type AssertionVerifier,
  type AssertionVerifierOptions,
  type ExpectedHop,
} from "./assertion-verifier";
export { assertions, type AssertionsOptions } from "./assertions";
export { backChannelLogout, type BackChannelLogoutOptions } from "./back-channel-logout";
export { byIssuer } from "./by-issuer";
export type { ClaimFunction, ClaimMapping, ClaimPath, RolesClaim } from "./claim-mapping";
export { delegationTokens, type DelegationTokensOptions } from "./delegation-tokens";
export { jwt, type JwtOptions } from "./jwt";
export { loginsOf, type LoginClaims } from "./login-id";
export { memoryReplays, type Replays } from "./replays";
export type { KeyOptions } from "./shared-options";
export type { SigningOptions } from "./signing-key";
export { spiffe, type SpiffeOptions, type TrustDomainOptions } from "./spiffe";
export { tokenFromFile } from "./token-from-file";
export type { TokenVerifier } from "./token-verifier";
export type { JwtAlgorithm } from "./verification-keys";
