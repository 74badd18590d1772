import * as z from "zod";
import type { Denial } from "../../core/denial";
import { AuthorizationDeniedError } from "../../core/errors";
import { parseOptions } from "../../core/options";
import type { Guard, Session } from "../../index";
import { denialResponse, type DenialStatus } from "../shared/model-api/denial-response";
import { guardedCall } from "../shared/model-api/guarded-call";
import { parseModelGuardOptions, type ModelGuardOptions } from "../shared/model-api/options";
import type { OutgoingRequest } from "../shared/model-api/outgoing-request";
import { sendableHeaders, UnreadableBodyError } from "../shared/model-api/request-body";
import { ROUTES, type ModelApi } from "../shared/model-api/routes";
import { bearerChallenge } from "./bearer-challenge";
import { sessionOpener, type CallerOptions } from "./caller";
import { CreatedByPrincipal } from "./created-by-principal";
import type { FrontDoor, IncomingRequest } from "./front-door";
import { untilAborted } from "./until-aborted";

/** Options of `guardRequests`. */
export interface GuardRequestsOptions<Source> extends ModelGuardOptions, CallerOptions<Source> {
  /** The wire format that the callers speak. */
  readonly api: ModelApi;
  /**
   * The path below which the API is: `/api/openai`. With and without the API's own `/v1`. Default: what the framework says that the guard is
   * mounted on, else none.
   */
  readonly basePath?: string;
  /**
   * Where your handler takes requests to: what policies read as `R.attr.endpoint`, and what the guard's `models` go by. Default: the option `basePath`,
   * because the request's own host is only the caller's word.
   */
  readonly baseURL?: string;
  /**
   * Whose conversations a request may go on with that the provider keeps (`previous_response_id`, `conversation`). Default `"own"`: the last hundred responses
   * that this process has handed to the same principal. `"any"` leaves it to the policy (`R.attr.request.continues`) and the provider, where every caller has a project of its own there.
   */
  readonly conversations?: "own" | "any";
  /** The largest request body. Default 33,554,432 bytes, of a form and the files in it, too, and 100 levels. */
  readonly limits?: { readonly maxDepth?: number; readonly maxLength?: number };
}

const shape = z.object({
  api: z.custom<ModelApi>(
    (api) => typeof api === "string" && Object.hasOwn(ROUTES, api),
    'expected "openai" or "anthropic"',
  ),
  basePath: z
    .string()
    .regex(/^(?:\/[^/?#%\s]+)*\/?$/, "expected a path, as in /api/openai")
    .optional(),
  baseURL: z.string().min(1).optional(),
  conversations: z.enum(["own", "any"]).default("own"),
});

/**
 * Guards requests to a model API, whatever the framework.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function modelFrontDoor<Source>(
  caller: string,
  guard: Guard,
  given: GuardRequestsOptions<Source>,
): FrontDoor<Source> {
  const { agent, identify, api, basePath, baseURL, conversations: whose, ...rest } = { ...given };
  const { conversations } = parseOptions(shape, caller, { api, basePath, baseURL, conversations: whose });
  const who = { ...(agent !== undefined && { agent }), ...(identify !== undefined && { identify }) };
  const open = sessionOpener(caller, guard, who);
  const modelGuard = parseModelGuardOptions(caller, api, rest);
  const created = new CreatedByPrincipal();

  return async (incoming, next) => {
    const deny = (denial: Denial, cause: unknown): Response => {
      const status = statusOf(denial, cause);
      return denialResponse(api, denial, status, status === 401 ? bearerChallenge(incoming.headers) : {});
    };
    let session: Session;
    try {
      session = await open(incoming.headers, incoming.source);
    } catch (error) {
      if (AuthorizationDeniedError.isInstance(error)) return deny(error.denial, error);
      throw error;
    }
    const base = (basePath ?? incoming.basePath).replace(/\/+$/, "");
    const answer = guardedCall({
      ...{ guard: modelGuard, session, deny },
      baseURL: new URL(`${incoming.url.origin}${base}`),
      endpoint: baseURL ?? basePath ?? "",
      created: created.of(session),
      conversations,
      send: ({ outgoing, body, assertion, signal = incoming.signal, decision }) => {
        const { url, method } = outgoing;
        const headers = sendableHeaders(outgoing.headers, body, assertion);
        for (const name of OF_THE_CONNECTION) headers.delete(name);
        // The answer is read along, and whoever forwards the request would get one that cannot be.
        headers.set("accept-encoding", "identity");
        return untilAborted(
          () => next({ url, method, headers, body, signal }, { session, decision }),
          signal,
        );
      },
    });
    return answer(() => outgoingRequest(incoming));
  };
}

/** What is not for whoever the request is forwarded to. @see RFC 9110, section 7.6.1 */
const OF_THE_CONNECTION = [
  ...["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"],
  "expect",
];

function statusOf({ code }: Denial, cause: unknown): DenialStatus {
  if (cause instanceof UnreadableBodyError) return cause.status;
  return code === "unauthenticated" ? 401 : 403;
}

function outgoingRequest({ url, method, headers, body, signal }: IncomingRequest<unknown>): OutgoingRequest {
  const read = (maxBytes: number): Promise<Uint8Array> => {
    // A page of another origin can send a body without a type in a user's name.
    if ((headers.get("content-type") ?? "") === "")
      throw new UnreadableBodyError("The request's body has no content type.", { status: 415 });
    return body ? body(maxBytes) : Promise.resolve(new Uint8Array());
  };
  return {
    ...{ url, method, headers, signal },
    body: body ? { kind: "bytes", read } : { kind: "none" },
    rest: {},
  };
}
