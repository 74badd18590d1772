/** What a token, or a logout, says of a login. */
export interface LoginClaims {
  readonly iss: string;
  /** The session at the identity provider. */
  readonly sid?: string;
  readonly sub?: string;
}

/**
 * Names of the login that a token stems from: one for the session at the identity provider, one for everything of the user's. Each is the JSON of
 * a list, so that no issuer, session or user can be named so that it is another's.
 */
export function loginsOf({ iss, sid, sub }: LoginClaims): readonly string[] {
  return [
    ...(sid === undefined ? [] : [ofSession(iss, sid)]),
    ...(sub === undefined ? [] : [ofUser(iss, sub)]),
    ...(sid === undefined && sub !== undefined ? [ofUserWithoutSession(iss, sub)] : []),
  ];
}

/** What a logout ends. */
export interface EndedLogin {
  readonly login: string;
  /** Everything, for good; or what was issued before, so that the user may log in again. */
  readonly reach: "all" | "issued_before";
}

/**
 * The logins that a logout ends: the session, if it names one, and every session of the user otherwise. Tokens that do not say which session they
 * stem from end with each.
 *
 * @see OpenID Connect Back-Channel Logout 1.0, section 2.7
 */
export function loginsEndedBy({ iss, sid, sub }: LoginClaims): readonly EndedLogin[] {
  const user = sid === undefined ? ofUser : ofUserWithoutSession;
  return [
    ...(sid === undefined ? [] : [{ login: ofSession(iss, sid), reach: "all" } as const]),
    ...(sub === undefined ? [] : [{ login: user(iss, sub), reach: "issued_before" } as const]),
  ];
}

const ofSession = (iss: string, sid: string): string => JSON.stringify([iss, "sid", sid]);
const ofUser = (iss: string, sub: string): string => JSON.stringify([iss, "sub", sub]);
const ofUserWithoutSession = (iss: string, sub: string): string =>
  JSON.stringify([iss, "sub without sid", sub]);
