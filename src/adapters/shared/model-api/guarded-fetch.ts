import type { Denial, DenialCode } from "../../../core/denial";
import { AuthorizationDeniedError } from "../../../core/errors";
import type { Session } from "../../../core/session";
import { filterCatalogue } from "./catalogue-response";
import { hiddenTools, withoutTools } from "./declared-tools";
import { denialResponse } from "./denial-response";
import { readModelCall, type ModelCall } from "./model-call";
import type { ModelGuard } from "./options";
import { readOutgoing, type OutgoingRequest } from "./outgoing-request";
import { readBody, sendable, UnreadableBodyError, type CheckedBody } from "./request-body";
import { resolveRoute } from "./resolve-route";
import type { RoutedRequest } from "./routes";
import { UnsupportedRequestError } from "./unsupported-request";

/** A function with the calling convention of the global `fetch`. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface GuardedFetchOptions {
  readonly guard: ModelGuard;
  readonly session: Session;
  readonly baseURL: URL;
  readonly fetch: Fetch;
  /** Sees each denial with the response that carries it. */
  readonly onDenial?: (denial: Denial, response: Response) => void;
}

/**
 * A `fetch` that decides before it sends. What it cannot read, or does not know, it denies. A denial is a response, so that SDKs raise it in their
 * own way and do not retry. It throws only what the real fetch throws, the reason of an aborted signal included.
 */
export function guardedFetch({ guard, session, baseURL, fetch, onDenial }: GuardedFetchOptions): Fetch {
  const endpoint = baseURL.href.replace(/\/$/, "");

  return async (input, init) => {
    // The probe by which the SDKs find out what fetch can do. It reaches nobody.
    if (input === "data:,") return fetch(input, init);
    let outgoing: OutgoingRequest | undefined;
    let send: RequestInit;
    let isCatalogue = false;
    try {
      outgoing = readOutgoing(input, init);
      const routed = resolveRoute(guard, baseURL, outgoing);
      isCatalogue = routed.route.kind === "catalogue";
      const body = await readBody(outgoing, routed.route, guard.limits);
      if (isCatalogue) await proveAlive(outgoing);
      send = sendable(outgoing, isCatalogue ? body : await authorizeCall(routed, body, outgoing));
    } catch (error) {
      return deny(error, outgoing);
    }
    const response = await fetch(outgoing.url.href, send);
    if (!isCatalogue) return response;
    try {
      return await filterCatalogue(session, response, outgoing.signal);
    } catch (error) {
      return deny(error, outgoing);
    }
  };

  /** The body to send, once every hop of the request is allowed. */
  async function authorizeCall(
    routed: RoutedRequest,
    body: CheckedBody,
    { headers, signal }: OutgoingRequest,
  ): Promise<CheckedBody> {
    const call = readModelCall(guard, routed, body, endpoint);
    const options = signal ? { signal } : {};
    // All at once, so that the checks share a request to the PDP.
    const [hidden, decisions] = await Promise.all([
      hiddenTools(guard, session, call.declared?.tools ?? [], signal),
      Promise.all(call.hops.map((hop) => session.check(hop, options))),
    ]);
    for (const decision of decisions) {
      if (decision.effect === "deny") throw new AuthorizationDeniedError(decision.denial);
    }
    const [first] = hidden;
    if (!first || body.kind !== "json") return body;
    const chosen = hidden.find(({ name }) => call.declared?.chosenTools.has(name));
    if (chosen) return refuse(call, `The request's tool_choice names the tool "${chosen.name}"`);
    // A signed request cannot be changed, and a single declaration cannot be taken out.
    const fixed =
      hidden.some(({ list }) => list === undefined) || headers.get("authorization")?.startsWith("AWS4-");
    if (fixed || guard.hiddenTools === "deny") {
      return refuse(call, `The request declares the tool "${first.name}"`);
    }
    const value = withoutTools(body.value, hidden);
    return { kind: "json", value, text: JSON.stringify(value) };
  }

  async function refuse({ model, action }: ModelCall, cause: string): Promise<never> {
    const reason = `${cause}, which may not be used.`;
    const hop = { kind: "llm_model", id: model, action };
    await session.authorize(hop, { refuse: { code: "policy_denied", reason } });
    throw new UnsupportedRequestError(reason);
  }

  /** The list is decided model by model; before the provider is asked, authority must stand and the PDP must answer. */
  async function proveAlive({ signal }: OutgoingRequest): Promise<void> {
    await session.capabilities({ models: ["*"] }, signal ? { signal } : {});
  }

  async function deny(error: unknown, outgoing: OutgoingRequest | undefined): Promise<Response> {
    const denial = AuthorizationDeniedError.isInstance(error)
      ? error.denial
      : await undecidable(error, outgoing);
    outgoing?.signal?.throwIfAborted();
    const response = denialResponse(guard.api, denial);
    onDenial?.(denial, response);
    return response;
  }

  /** Denies, and records, what never became a hop. */
  async function undecidable(error: unknown, outgoing: OutgoingRequest | undefined): Promise<Denial> {
    const isUnreadable = error instanceof UnreadableBodyError;
    const code: DenialCode = isUnreadable ? "arguments_invalid" : "unsupported_hop";
    const reason = isUnreadable || error instanceof UnsupportedRequestError ? error.message : undefined;
    const action = outgoing ? `${outgoing.method} ${outgoing.url.pathname}` : "fetch";
    const decision = await session.check(
      { kind: "llm_model", id: guard.provider, action },
      { refuse: { code, ...(reason !== undefined && { reason }) } },
    );
    // `refuse` never allows; the type does not know.
    if (decision.effect === "allow") throw error;
    return decision.denial;
  }
}
