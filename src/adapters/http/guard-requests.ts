import type { Guard } from "../../index";
import { requestGuard } from "./front-door";
import { modelFrontDoor, type GuardRequestsOptions } from "./model-front-door";
import type { RequestGuard } from "./request-guard";

/**
 * Guards an endpoint that speaks the wire format of OpenAI or Anthropic: each request is read strictly, decided for whoever sends it, and handed to your
 * handler as it was checked. The handler's answer is followed: it ends when authority is withdrawn, lists of models are filtered, and what it used is counted.
 * A denial is a response in the API's own error shape, and the handler does not run then.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardRequests(guard: Guard, options: GuardRequestsOptions<Request>): RequestGuard {
  return requestGuard(modelFrontDoor("guardRequests", guard, options));
}
