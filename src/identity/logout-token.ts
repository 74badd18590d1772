import * as z from "zod";
import { isJsonObject, type JsonObject } from "../core/json";
import type { KeySet } from "./key-set";
import { loginsEndedBy, type EndedLogin } from "./login-id";
import { proveSigned, type SignedTokenRules } from "./prove-signed";

/** What a logout token says. */
export interface Logout {
  /** No other logout of the issuer has it. */
  readonly id: string;
  readonly ended: readonly EndedLogin[];
  /** Milliseconds since 1970. */
  readonly issuedAt: number;
}

export interface LogoutTokenRules extends Omit<SignedTokenRules, "types"> {
  /** Milliseconds since `iat`. */
  readonly maxAgeMs: number;
}

/** Providers from before there was a type of its own for it send `JWT`, or none: what else makes it a logout is required either way. */
const TYPES = ["logout+jwt", "JWT", undefined];
const EVENT = "http://schemas.openid.net/event/backchannel-logout";

/**
 * Proves a logout token. Rejects for everything else, with words for the operator only.
 *
 * @see OpenID Connect Back-Channel Logout 1.0, section 2.6
 */
export async function readLogoutToken(
  token: string,
  keySet: KeySet,
  { maxAgeMs, ...rules }: LogoutTokenRules,
  now: Date,
): Promise<Logout> {
  const { claims, issuedAt } = await proveSigned(token, keySet, { ...rules, types: TYPES }, now);
  if (issuedAt < now.getTime() - maxAgeMs) throw new Error("the token was issued too long ago");
  refuseOtherEvents(claims);
  // An ID token has one, and could be sent here by whoever has got hold of it.
  if (Object.hasOwn(claims, "nonce")) throw new Error("the token has a nonce");
  const { jti: id, ...login } = textsSchema.parse(claims);
  const ended = loginsEndedBy({ iss: rules.issuer, ...login });
  if (ended.length === 0) throw new Error("the token names neither a session nor a user");
  return { id, issuedAt, ended };
}

const text = z.string().min(1);
const textsSchema = z.object({ jti: text, sid: text.exactOptional(), sub: text.exactOptional() });

function refuseOtherEvents({ events }: JsonObject): void {
  const isLogout = isJsonObject(events) && isJsonObject(events[EVENT]) && Object.keys(events).length === 1;
  if (!isLogout) throw new Error("the token does not tell of a logout, and of nothing else");
}
