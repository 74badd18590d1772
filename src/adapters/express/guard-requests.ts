import { modelFrontDoor, type GuardRequestsOptions } from "../http/model-front-door";
import type { Guard } from "../../index";
import type { ExpressRequest } from "./express-request";
import { middleware, type ExpressMiddleware } from "./middleware";

/**
 * A middleware that guards an endpoint of Express 5 which speaks the wire format of OpenAI or Anthropic. Each request is read strictly, decided for whoever sends
 * it, and handed on as it was checked: `req.body` is the frozen value (of a form, `FormData`), `req.hopguard` holds the session, the decision and the
 * web's request. What is denied is answered in the API's own error shape, and the handler does not run. The handler's response is followed: it ends
 * when authority is withdrawn, lists of models are filtered, and what it used is counted.
 *
 * Mount it on the path of the API, and before body parsers: `app.use("/v1", guardRequests(…), handler)`.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardRequests<Req extends ExpressRequest = ExpressRequest>(
  guard: Guard,
  options: GuardRequestsOptions<Req>,
): ExpressMiddleware<Req> {
  return middleware(modelFrontDoor("guardRequests", guard, options));
}
