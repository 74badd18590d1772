import { serve } from "../serve";
import type { Exchange } from "./endpoint";
import { anthropicError, FaultError, openaiError } from "./errors";
import { nothingKept, type Kept } from "./kept";
import { defaultCatalogue, type Catalogue } from "./models";
import { recordRequest, type RecordedRequest } from "./recorded-request";
import { callIdPrefix, findRoute } from "./routes";
import { echoTurn, playTurn, type Turn, type TurnRequest } from "./script";
import { newId } from "./wire";

/** How the provider behaves. */
export interface LocalProviderOptions {
  /** Writes the model's turns. Default: a short text that names the model. A throw is a 500. */
  readonly turn?: (request: TurnRequest) => Turn | Promise<Turn>;
  /** The models that `GET /v1/models` lists. Default: a few well-known ones of each provider. */
  readonly models?: Partial<Catalogue>;
  /** Milliseconds before each delta of a stream. Default: 0. */
  readonly deltaDelayMs?: number;
  /** Into how many deltas a stream cuts each text and each call's arguments. Default: 4. */
  readonly deltas?: number;
  /** Answers in the provider's place, after the request was recorded; undefined leaves it to the provider. */
  readonly intercept?: (
    request: RecordedRequest,
  ) => Interception | undefined | Promise<Interception | undefined>;
}

/** An answer given in the provider's place; a web-standard `Response` is one. */
export interface Interception {
  readonly status: number;
  readonly headers?: HeadersInit;
  /** Text, bytes and streams are sent as they are, anything else as JSON. */
  readonly body?: unknown;
}

/** A running provider. */
export interface LocalProvider extends AsyncDisposable {
  /** Without a trailing slash; the endpoint of an Azure client. */
  readonly url: string;
  readonly openaiBaseURL: string;
  /** Anthropic's SDK adds `/v1` itself. */
  readonly anthropicBaseURL: string;
  /** Every request that arrived, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** How many of them the client has given up before the answer's end. */
  readonly abortedRequests: number;
  /** Forgets the requests that arrived so far. */
  reset(): void;
  /** Closes the server and every open stream. */
  stop(): Promise<void>;
}

/** Starts a model provider on loopback that speaks the wire formats of OpenAI and Anthropic. */
export async function startLocalProvider(options: LocalProviderOptions = {}): Promise<LocalProvider> {
  const requests: RecordedRequest[] = [];
  // Whole requests: the signal of one that nobody holds may never abort.
  const received: Request[] = [];
  const kept = nothingKept();
  const server = await serve(async (incoming) => {
    const request = await recordRequest(incoming);
    requests.push(request);
    received.push(incoming);
    const interception = await options.intercept?.(request);
    const { origin } = new URL(incoming.url);
    return interception === undefined ? respond(request, options, kept, origin) : intercepted(interception);
  });
  return {
    url: server.url,
    openaiBaseURL: `${server.url}/v1`,
    anthropicBaseURL: server.url,
    requests,
    get abortedRequests() {
      return received.filter(({ signal }) => signal.aborted).length;
    },
    reset: () => {
      requests.length = 0;
      received.length = 0;
    },
    stop: () => server.stop(),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

async function respond(
  request: RecordedRequest,
  options: LocalProviderOptions,
  kept: Kept,
  url: string,
): Promise<Response> {
  const { provider, endpoint, name } = findRoute(request);
  const { turn = echoTurn, models, deltaDelayMs = 0, deltas = 4 } = options;
  const exchange: Exchange = {
    request,
    name,
    catalogue: { ...defaultCatalogue, ...models },
    kept,
    url,
    answer: (path, body) => respond({ ...request, method: "POST", path, body }, options, kept, url),
    play: async (asked) => {
      const { path, headers } = request;
      const scripted = await turn({ ...asked, path, headers });
      return playTurn(scripted, { deltaDelayMs, deltas }, callIdPrefix[asked.api]);
    },
  };
  const errorResponse = provider === "anthropic" ? anthropicError : openaiError;
  try {
    if (endpoint === undefined) throw unknownURL(request);
    const response = await endpoint(exchange);
    response.headers.set(provider === "anthropic" ? "request-id" : "x-request-id", newId("req_"));
    return response;
  } catch (error) {
    return errorResponse(error instanceof FaultError ? error.fault : { status: 500, message: String(error) });
  }
}

function unknownURL({ method, path }: RecordedRequest): FaultError {
  return new FaultError({
    status: 404,
    code: "unknown_url",
    message: `Unknown request URL: ${method} ${path}.`,
  });
}

function intercepted({ status, headers = {}, body = null }: Interception): Response {
  const init = { status, headers };
  const raw = body === null || typeof body === "string" || body instanceof Uint8Array;
  return raw || body instanceof ReadableStream
    ? new Response(body as BodyInit | null, init)
    : Response.json(body, init);
}
