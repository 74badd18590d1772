import type { Guard } from "../../index";
import { CallUnderWay, headOf } from "../shared/model-api/followed-response";
import { authorizer, problem, type Authorized, type AuthorizeOptions, type HopOf } from "./authorizer";
import type { RequestGuard } from "./request-guard";
import { untilAborted } from "./until-aborted";

/**
 * Decides requests to routes of an application of your own, by the same policies. The request is handed on as it came: a `hopOf` that looks into the
 * body reads `request.clone()`. A denial is a response, 403 (401 for nobody) with a body of `application/problem+json`.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function authorize(
  guard: Guard,
  hopOf: HopOf<Request>,
  options: AuthorizeOptions<Request>,
): RequestGuard {
  const decide = authorizer(guard, hopOf, options);
  return async (request, handler) => {
    const authorized = await decide(request.headers, request, request.signal);
    if (authorized.refused) return authorized.refused;
    const { session, decision } = authorized;
    return answerUnder(authorized, request, async () => handler(request, { session, decision }));
  };
}

/** The handler's answer, which ends when authority is withdrawn. */
export async function answerUnder(
  { decision }: Extract<Authorized, { readonly session: unknown }>,
  { method, headers, signal }: Request,
  answer: () => Promise<Response>,
): Promise<Response> {
  const underWay = new CallUnderWay(decision, signal);
  try {
    const response = await untilAborted(answer, underWay.signal);
    return underWay.follow(method === "HEAD" ? headOf(response) : response, { isOfModel: false });
  } catch (error) {
    underWay.failed();
    if (underWay.denial) return problem(underWay.denial, headers);
    throw error;
  }
}
