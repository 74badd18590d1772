import type { Context, MiddlewareHandler } from "hono";
import { modelFrontDoor, type GuardRequestsOptions } from "../http/model-front-door";
import type { Guard } from "../../index";
import { middleware } from "./middleware";

/**
 * A middleware that guards an endpoint of Hono 4 which speaks the wire format of OpenAI or Anthropic. Each request is read strictly, decided for whoever sends it,
 * and handed on as it was checked: `c.req` is that, and `c.var.hopguard` holds the session and the decision. What is denied is answered in the API's own
 * error shape, and the handler does not run. The handler's response is followed: it ends when authority is withdrawn, lists of models are
 * filtered, and what it used is counted.
 *
 * Mount it on the path of the API: `app.use("/v1/*", guardRequests(…))`.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardRequests(guard: Guard, options: GuardRequestsOptions<Context>): MiddlewareHandler {
  return middleware(modelFrontDoor("guardRequests", guard, options));
}
