import type { AllowDecision } from "../../core/decision";
import type { MaybePromise, Session } from "../../index";

/** What a handler may know of the decision that let its request through. The guard settles it. */
export type RequestDecision = Pick<AllowDecision, "decisionId" | "hop">;

/** What a handler is given beside its request. */
export interface RequestContext {
  /** Of whoever sent the request, for the checks of your own. */
  readonly session: Session;
  /** `undefined` for a list, such as that of the models: it is decided item by item, when it is answered. */
  readonly decision: RequestDecision | undefined;
}

/** What answers a request that was allowed. The request holds what was checked. */
export type RequestHandler = (request: Request, context: RequestContext) => MaybePromise<Response>;

/** Answers a request: by the handler if it is allowed, else with a denial. It rejects with what the handler throws. */
export type RequestGuard = (request: Request, handler: RequestHandler) => Promise<Response>;
