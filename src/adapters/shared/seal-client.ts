import type { Denial } from "../../core/denial";
import { AuthorizationDeniedError, ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";
import { assertSession } from "./assert-session";
import { CreatedResources } from "./model-api/created-resources";
import { guardedFetch, type Fetch } from "./model-api/guarded-fetch";
import type { ModelGuard } from "./model-api/options";

/**
 * What the guard uses of a client of OpenAI's or Anthropic's SDK, which one generator makes. Described by its structure, so that a second copy of an
 * SDK fits.
 */
export interface SdkClient {
  baseURL: string;
  withOptions(options: never): unknown;
}

/** The members that TypeScript keeps protected, and options that a subclass wants repeated in a copy. */
interface SdkInternals extends SdkClient {
  fetch: Fetch;
  fetchWithTimeout: unknown;
  makeStatusError(status: number, error: unknown, message: string | undefined, headers: Headers): Error;
  _buildWebSocketHeaders?: unknown;
  _options?: { readonly x509Transport?: unknown; fetch?: Fetch };
  apiVersion?: string;
  deploymentName?: string;
}

/**
 * A copy of an SDK's client whose every HTTP call passes the guard: the same class and type, with helpers and streams. The copy is sealed:
 * `fetch` cannot be exchanged, and copies of the copy are guarded again, whatever options they get.
 *
 * @throws {ConfigurationError} for what is no client, or one that does not send through `fetch`.
 */
export function sealClient<C extends SdkClient>(
  caller: string,
  client: C,
  session: Session,
  guard: ModelGuard,
): C {
  const raw: unknown = client;
  if (!isSdkClient(raw)) {
    throw new ConfigurationError(`${caller}: the first argument is not a client of the SDK`);
  }
  assertSession(caller, session);
  if (raw._options?.x509Transport !== undefined) {
    throw new ConfigurationError(
      `${caller}: a client with x509Transport does not send through fetch, and cannot be guarded`,
    );
  }
  return seal(copyOf(raw, {}, raw.fetch), raw.fetch, session, guard, new CreatedResources()) as unknown as C;
}

function isSdkClient(value: unknown): value is SdkInternals {
  if (typeof value !== "object" || value === null) return false;
  const members = value as Readonly<Record<string, unknown>>;
  const methods = ["fetch", "withOptions", "fetchWithTimeout", "makeStatusError"];
  return (
    typeof members.baseURL === "string" &&
    URL.canParse(members.baseURL) &&
    methods.every((method) => typeof members[method] === "function")
  );
}

function copyOf(client: SdkInternals, options: object, fetch: Fetch): SdkInternals {
  // Azure's client of openai 6 forgets these in its copies.
  const azure =
    "deploymentName" in client && "apiVersion" in client
      ? { apiVersion: client.apiVersion, deployment: client.deploymentName }
      : {};
  // The class's own method: on a sealed client the name leads back here.
  const prototype = Object.getPrototypeOf(client) as SdkInternals;
  return prototype.withOptions.call(client, { ...azure, ...options, fetch } as never) as SdkInternals;
}

function seal(
  copy: SdkInternals,
  inner: Fetch,
  session: Session,
  guard: ModelGuard,
  created: CreatedResources,
): SdkInternals {
  const prototype = Object.getPrototypeOf(copy) as SdkInternals;
  const denials = new WeakMap<Headers, Denial>();
  const fixed = (name: keyof SdkInternals, value: unknown, enumerable = false): void => {
    Object.defineProperty(copy, name, { value, enumerable, writable: false, configurable: false });
  };

  const guarded = guardedFetch({
    guard,
    session,
    baseURL: new URL(copy.baseURL),
    fetch: inner,
    created,
    onDenial: (denial, response) => denials.set(response.headers, denial),
  });
  fixed("fetch", guarded, true);
  // Only now: what the SDK fetches for itself while it is constructed (a workload's token) is no hop. Whoever builds a client out of these
  // options gets a guarded one.
  if (copy._options) copy._options.fetch = guarded;
  fixed("fetchWithTimeout", prototype.fetchWithTimeout);
  fixed("withOptions", (options: { readonly fetch?: Fetch } = {}) => {
    const { fetch = inner } = options;
    // Whoever answers in the provider's place could give out the ids of what the provider keeps for others.
    const known = fetch === inner ? created : new CreatedResources();
    return seal(copyOf(copy, options, fetch), fetch, session, guard, known);
  });
  fixed("makeStatusError", (status: number, body: unknown, message: string | undefined, headers: Headers) => {
    const error = prototype.makeStatusError.call(copy, status, body, message, headers);
    // By the identity of the response that we made: a provider cannot forge a denial of ours.
    const denial = denials.get(headers);
    return denial ? Object.defineProperty(error, "denial", { value: denial, enumerable: true }) : error;
  });
  if (prototype._buildWebSocketHeaders !== undefined) {
    fixed("_buildWebSocketHeaders", () => {
      throw webSocketDenied(session, guard);
    });
  }
  return copy;
}

/** WebSockets never pass `fetch`: what is said over them cannot be seen. */
function webSocketDenied(session: Session, { provider }: ModelGuard): Error {
  const reason = "A WebSocket of this client would pass the guard by.";
  const hop = { kind: "llm_model", id: provider, action: "realtime" };
  const refuse = { code: "unsupported_hop", reason } as const;
  // The record; the caller of this hook cannot wait for it.
  void session.check(hop, { refuse });
  return new AuthorizationDeniedError({
    decision: "deny",
    ...refuse,
    retryable: false,
    hop: { kind: hop.kind, name: hop.id, action: hop.action },
    decision_id: crypto.randomUUID(),
  });
}
