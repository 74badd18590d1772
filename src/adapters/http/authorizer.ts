import { AuthorizationDeniedError } from "../../core/errors";
import { aFunction } from "../../core/option-types";
import { parseOptions } from "../../core/options";
import type { Denial, Guard, Hop, MaybePromise, Session } from "../../index";
import { checkTogether, type JointAllow } from "../shared/joint-decision";
import { DECISION_HEADER } from "../shared/model-api/denial-response";
import { bearerChallenge } from "./bearer-challenge";
import { sessionOpener, type CallerOptions } from "./caller";

/**
 * The hop that a request is: a kind, id and action of the application's own, and as `attr` what policies want to know of it. What it throws is for the
 * error handler of the application, and the request does not pass.
 */
export type HopOf<Source> = (source: Source) => MaybePromise<Hop>;

/** Options of `authorize`. */
export type AuthorizeOptions<Source> = CallerOptions<Source>;

/** A request that may pass, or the denial to answer it with. */
export type Authorized =
  | { readonly session: Session; readonly decision: JointAllow; readonly refused?: undefined }
  | { readonly refused: Response };

/**
 * Decides requests to an application's own routes, whatever the framework.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function authorizer<Source>(
  guard: Guard,
  hopOf: HopOf<Source>,
  options: AuthorizeOptions<Source>,
): (headers: Headers, source: Source, signal?: AbortSignal) => Promise<Authorized> {
  parseOptions(aFunction(), "authorize.hopOf", hopOf);
  const open = sessionOpener("authorize", guard, options);

  return async (headers, source, signal) => {
    let session: Session;
    try {
      session = await open(headers, source);
    } catch (error) {
      if (AuthorizationDeniedError.isInstance(error)) return { refused: problem(error.denial, headers) };
      throw error;
    }
    const hop = await hopOf(source);
    const decision = await checkTogether(session, [{ hop, options: signal ? { signal } : {} }]);
    if (decision?.effect === "allow") return { session, decision };
    if (decision) return { refused: problem(decision.denial, headers) };
    throw new Error("There is no decision on the one hop that was asked about.");
  };
}

/** A denial for whoever is no model's or tool's client. @see RFC 9457 */
export function problem(denial: Denial, headers: Headers): Response {
  const isNobody = denial.code === "unauthenticated";
  const status = isNobody ? 401 : 403;
  const title = isNobody ? "Unauthorized" : "Forbidden";
  return new Response(JSON.stringify({ title, status, detail: denial.reason, denial }), {
    status,
    headers: {
      "content-type": "application/problem+json",
      [DECISION_HEADER]: denial.decision_id,
      ...(isNobody && bearerChallenge(headers)),
    },
  });
}
