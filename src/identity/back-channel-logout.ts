import type { JSONWebKeySet } from "jose";
import * as z from "zod";
import { aFunction, objectWith } from "../core/option-types";
import { parseOptions } from "../core/options";
import type { Guard } from "../index";
import { formField } from "./form-field";
import { HttpProblem } from "./http-problem";
import { readLogoutToken, type Logout } from "./logout-token";
import { memoryReplays, type Replays } from "./replays";
import { keyOptions, type KeyOptions } from "./shared-options";
import {
  ALGORITHMS,
  DEFAULT_ALGORITHMS,
  issuerKeys,
  jwksOption,
  type JwtAlgorithm,
} from "./verification-keys";

/** Options of {@link backChannelLogout}. */
export interface BackChannelLogoutOptions extends KeyOptions {
  /** Its sessions end. With a state that several processes share, so do theirs. */
  readonly guard: Pick<Guard, "revoke">;
  /** Exactly as tokens say it in `iss`, and as `jwt` has it. */
  readonly issuer: string;
  /** The id of the client at the provider: a logout token must be for it, and for nobody else. */
  readonly audience: string;
  /** Where the keys are, or the keys. Default: where the issuer's `/.well-known/openid-configuration` says. */
  readonly jwks?: string | URL | JSONWebKeySet;
  /** Default `["RS256", "PS256", "ES256", "EdDSA"]`. What a token says of its algorithm counts only if it is among these. */
  readonly algorithms?: readonly JwtAlgorithm[];
  /** Milliseconds since `iat` for which a logout token is taken. Default 120000. */
  readonly maxAgeMs?: number;
  /** Milliseconds for which the revocations stand: longer than any token of the issuer's lives. Default 7 days. */
  readonly revokeForMs?: number;
  /** Remembers which logout tokens were used. Default: this process's memory. */
  readonly replays?: Replays;
  /** Hears why a logout was refused, or failed: the answer does not say. */
  readonly onError?: (error: unknown) => void;
}

const optionsSchema = z.strictObject({
  ...keyOptions,
  guard: objectWith<Pick<Guard, "revoke">>("revoke"),
  issuer: z.string().min(1),
  audience: z.string().min(1),
  jwks: jwksOption.optional(),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .default([...DEFAULT_ALGORITHMS]),
  maxAgeMs: z.int().positive().max(3_600_000).default(120_000),
  revokeForMs: z
    .int()
    .positive()
    .default(7 * 86_400_000),
  replays: objectWith<Replays>("claim", "release").optional(),
  onError: aFunction<(error: unknown) => void>().optional(),
});

/**
 * Ends sessions when their user logs out at the identity provider, which posts a logout token to this handler: register its address as the client's
 * `backchannel_logout_uri`. It answers 200 when every later hop of them is denied; 400 for what is no logout; 405, 413 and 415; and 503 when keys or
 * state cannot be had: the logout may then have happened or not, and the provider may send it again.
 *
 * @see OpenID Connect Back-Channel Logout 1.0
 * @throws {ConfigurationError} naming the wrong option.
 */
export function backChannelLogout(
  options: BackChannelLogoutOptions,
): (request: Request) => Promise<Response> {
  const parsed = parseOptions(optionsSchema, "backChannelLogout", options);
  const { guard, issuer, clock, clockToleranceMs, maxAgeMs, revokeForMs, onError } = parsed;
  const replays = parsed.replays ?? memoryReplays(clock);
  const keySet = issuerKeys("backChannelLogout", parsed);

  const end = async ({ ended, issuedAt }: Logout): Promise<void> => {
    const now = clock().getTime();
    const expiresAt = new Date(now + revokeForMs);
    const all = { reason: "logged out", author: issuer, expiresAt };
    // By its clock or by ours, whichever is later; `iat` is in whole seconds.
    const earlier = { ...all, issuedBefore: new Date(Math.max(now, issuedAt + 1000)) };
    for (const { login, reach } of ended) await guard.revoke({ login }, reach === "all" ? all : earlier);
  };

  /** The same logout may be sent again if this fails. */
  const endOnce = async (logout: Logout): Promise<void> => {
    const id = JSON.stringify([issuer, logout.id]);
    if (!(await replays.claim(id, logout.issuedAt + maxAgeMs + clockToleranceMs)))
      throw refused(new Error("the token was used before"));
    try {
      await end(logout);
    } catch (error) {
      await replays.release(id);
      throw error;
    }
  };

  const handle = async (request: Request): Promise<void> => {
    const token = await formField(request, "logout_token");
    await keySet.current();
    const logout = await readLogoutToken(token, keySet, parsed, clock()).catch((cause: unknown) => {
      throw refused(cause);
    });
    await endOnce(logout);
  };

  return async (request) => {
    try {
      await handle(request);
      return new Response(null, { headers: NO_STORE });
    } catch (error) {
      onError?.(error);
      const problem = error instanceof HttpProblem ? error : UNAVAILABLE;
      const { status, code, headers } = problem;
      return Response.json({ error: code }, { status, headers: { ...NO_STORE, ...headers } });
    }
  };
}

const NO_STORE = { "cache-control": "no-store" };
const UNAVAILABLE = new HttpProblem(503, "temporarily_unavailable");
const refused = (cause: unknown): HttpProblem => new HttpProblem(400, "invalid_request", {}, { cause });
