import type { Context, MiddlewareHandler } from "hono";
import { answerUnder } from "../http/authorize";
import { authorizer, type AuthorizeOptions, type HopOf } from "../http/authorizer";
import type { Guard } from "../../index";
import { answerWith } from "./middleware";

/**
 * A middleware of Hono 4 that decides requests to routes of an application of your own, by the same policies: what `hopOf` makes of them. The request is handed on
 * as it is, with `c.var.hopguard`; its response ends when authority is withdrawn. A denial is answered with 403 (401 for nobody) and a body of
 * `application/problem+json`. What `hopOf` throws goes to your error handler.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function authorize(
  guard: Guard,
  hopOf: HopOf<Context>,
  options: AuthorizeOptions<Context>,
): MiddlewareHandler {
  const decide = authorizer(guard, hopOf, options);
  return async function hopguard(c, next) {
    const { raw } = c.req;
    const authorized = await decide(raw.headers, c, raw.signal);
    if (authorized.refused) return authorized.refused;
    const { session, decision } = authorized;
    c.set("hopguard", { session, decision });
    const response = await answerUnder(authorized, raw, async () => {
      await next();
      return c.res;
    });
    answerWith(c, response);
    return undefined;
  };
}
