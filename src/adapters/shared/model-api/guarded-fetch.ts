import type { Denial } from "../../../core/denial";
import { AuthorizationDeniedError } from "../../../core/errors";
import type { Hop } from "../../../core/hop";
import type { Session } from "../../../core/session";
import { filterCatalogue } from "./catalogue-response";
import { hiddenTools, withoutTools } from "./declared-tools";
import { denialResponse } from "./denial-response";
import { readModelCall, UnsupportedRequestError, type ModelCall } from "./model-call";
import type { ModelGuard } from "./options";
import { readOutgoing, type OutgoingRequest } from "./outgoing-request";
import { readBody, UnreadableBodyError, type CheckedBody } from "./request-body";
import { findRoute, pathBelow, type RoutedRequest } from "./routes";

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface GuardedFetchOptions {
  readonly guard: ModelGuard;
  readonly session: Session;
  readonly baseURL: URL;
  readonly fetch: Fetch;
  /** Sees each denial with the response that carries it. */
  readonly onDenial?: (denial: Denial, response: Response) => void;
}

/** How a request ends before it leaves. */
class Denied extends Error {
  constructor(readonly denial: Denial) {
    super(denial.reason);
  }
}

/**
 * A `fetch` that decides before it sends. What it cannot read, or does not know, it denies. A denial is a response, so that SDKs raise it in their
 * own way and do not retry; only what the real fetch throws is thrown.
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
      const routed = route(guard, baseURL, outgoing);
      isCatalogue = routed.route.kind === "catalogue";
      const body = await readBody(outgoing, routed.route, guard.limits);
      send = sendable(outgoing, isCatalogue ? body : await authorizeCall(routed, body, outgoing));
      if (isCatalogue) await proveAlive(outgoing);
    } catch (error) {
      return answer(await denialOf(error, outgoing));
    }
    const response = await fetch(outgoing.url.href, send);
    if (!isCatalogue) return response;
    try {
      return await filterCatalogue(session, response, outgoing.signal);
    } catch (error) {
      return answer(await denialOf(error, outgoing));
    }
  };

  async function authorizeCall(
    routed: RoutedRequest,
    body: CheckedBody,
    { headers, signal }: OutgoingRequest,
  ): Promise<CheckedBody> {
    const call = readModelCall(guard, routed, body, endpoint);
    // All at once, so that the checks share a request to the PDP.
    const [hidden] = await Promise.all([
      call.scan ? hiddenTools(guard, session, call.scan, signal) : [],
      ...call.hops.map((hop) => authorize(hop, signal)),
    ]);
    if (hidden.length === 0 || body.kind !== "json") return body;
    const chosen = hidden.find(({ name }) => call.scan?.chosenTools.has(name));
    if (chosen)
      return refuse(
        call,
        `The request's tool_choice names the tool "${chosen.name}", which may not be used.`,
      );
    // A signed request cannot be changed, and a single declaration cannot be taken out.
    const fixed =
      hidden.some(({ list }) => list === undefined) ||
      (headers.get("authorization") ?? "").startsWith("AWS4-");
    if (fixed || guard.hiddenTools === "deny") {
      return refuse(call, `The request declares the tool "${hidden[0]?.name ?? ""}", which may not be used.`);
    }
    const value = withoutTools(body.value, hidden);
    return { kind: "json", value, text: JSON.stringify(value) };
  }

  async function authorize(hop: Hop, signal: AbortSignal | undefined): Promise<void> {
    const decision = await session.check(hop, signal ? { signal } : {});
    if (decision.effect !== "allow") throw new Denied(decision.denial);
  }

  async function refuse({ model, action }: ModelCall, reason: string): Promise<never> {
    const hop = { kind: "llm_model", id: model, action };
    const decision = await session.check(hop, { refuse: { code: "policy_denied", reason } });
    throw decision.effect === "deny" ? new Denied(decision.denial) : new Error(reason);
  }

  /** The list is decided model by model; before the provider is asked, authority must stand and the PDP must answer. */
  async function proveAlive({ signal }: OutgoingRequest): Promise<void> {
    await session.capabilities({ models: ["catalogue"] }, signal ? { signal } : {});
  }

  async function denialOf(error: unknown, outgoing: OutgoingRequest | undefined): Promise<Denial> {
    if (error instanceof Denied) return error.denial;
    if (AuthorizationDeniedError.isInstance(error)) return error.denial;
    const known = error instanceof UnsupportedRequestError || error instanceof UnreadableBodyError;
    const decision = await session.check(
      {
        kind: "llm_model",
        id: guard.provider,
        action: outgoing ? `${outgoing.method} ${outgoing.url.pathname}` : "fetch",
      },
      {
        refuse: {
          code: error instanceof UnreadableBodyError ? "arguments_invalid" : "unsupported_hop",
          ...(known && { reason: error.message }),
        },
      },
    );
    // `refuse` never allows; the type does not know.
    if (decision.effect === "allow") throw error;
    return decision.denial;
  }

  function answer(denial: Denial): Response {
    const response = denialResponse(guard.api, denial);
    onDenial?.(denial, response);
    return response;
  }
}

/** @throws {UnsupportedRequestError} naming the option that admits the endpoint. */
function route(guard: ModelGuard, baseURL: URL, { url, method }: OutgoingRequest): RoutedRequest {
  const path = pathBelow(baseURL, url);
  if (path === undefined) {
    throw new UnsupportedRequestError("The request leads to another place than the client's base URL.");
  }
  for (const name of url.searchParams.keys()) {
    if (/^(?:model|engine|deployment)/i.test(name))
      throw new UnsupportedRequestError("The request names a model in its query.");
  }
  const known = findRoute(guard.api, method, path);
  if (known) return known;
  const admitted = guard.endpoints.find((endpoint) => endpoint.method === method && endpoint.path.test(path));
  if (admitted) {
    const { model, action } = admitted;
    return {
      route: { method: "POST", path: admitted.path, action, kind: "call", content: ["json", "form", "none"] },
      model,
    };
  }
  throw new UnsupportedRequestError(
    `${method} ${path} is no endpoint that the guard knows; the option \`endpoints\` admits it: ` +
      `{ "${method} ${path}": { model: "…", action: "…" } }.`,
  );
}

/** What goes out: the form in which the request was checked. Redirects are not followed, because they were not checked. */
function sendable({ method, headers, signal, rest }: OutgoingRequest, body: CheckedBody): RequestInit {
  const sent = new Headers(headers);
  if (body.kind === "json") sent.set("content-type", "application/json");
  // The length may have changed, and a form gets a boundary of its own.
  sent.delete("content-length");
  if (body.kind === "form") sent.delete("content-type");
  return {
    ...rest,
    method,
    headers: sent,
    redirect: "manual",
    ...(signal && { signal }),
    ...(body.kind === "json" && { body: body.text }),
    ...(body.kind === "form" && { body: body.form }),
  };
}
