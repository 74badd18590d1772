import { authorizer, type AuthorizeOptions, type HopOf } from "../http/authorizer";
import type { Guard } from "../../index";
import { captureResponse } from "./captured-response";
import type { ExpressRequest } from "./express-request";
import { headersOf, urlOf } from "./incoming-request";
import { goneSignal, tell, type ExpressMiddleware } from "./middleware";

/**
 * A middleware of Express 5 that decides requests to routes of an application of your own, by the same policies: what `hopOf` makes of them. The request is handed
 * on as it is, with `req.hopguard`; its response is broken off when authority is withdrawn. A denial is answered with 403 (401 for nobody) and a body
 * of `application/problem+json`. What `hopOf` throws goes to your error handler.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function authorize<Req extends ExpressRequest = ExpressRequest>(
  guard: Guard,
  hopOf: HopOf<Req>,
  options: AuthorizeOptions<Req>,
): ExpressMiddleware<Req> {
  const decide = authorizer(guard, hopOf, options);
  return async function hopguard(req, res, next) {
    try {
      const signal = goneSignal(res);
      const headers = headersOf(req);
      const authorized = await decide(headers, req, signal);
      if (authorized.refused) {
        if (!signal.aborted) await captureResponse(res).send(authorized.refused, false);
        return;
      }
      const { session, decision } = authorized;
      const stop = decision.watch(() => res.destroy());
      const over = (): void => {
        stop();
        decision.settle(!res.writableFinished ? "unknown" : res.statusCode < 400 ? "done" : "failed");
      };
      res.once("close", over);
      if (signal.aborted) over();
      else signal.addEventListener("abort", over, { once: true });
      const checked = { url: urlOf(req), method: req.method ?? "", headers, body: { kind: "none" } as const };
      tell(req, { ...checked, signal }, { session, decision });
    } catch (error) {
      next(error);
      return;
    }
    next();
  };
}
