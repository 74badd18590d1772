import { ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";
import { assertSession } from "../shared/assert-session";
import { guardedFetch, type Fetch } from "../shared/model-api/guarded-fetch";
import { parseModelGuardOptions, type ModelGuardOptions } from "../shared/model-api/options";
import { ROUTES, type ModelApi } from "../shared/model-api/routes";

/** Options of {@link guardFetch}. */
export interface GuardFetchOptions extends ModelGuardOptions {
  /** Where the provider, or the gateway, is: `https://api.openai.com/v1`. A request to anywhere else is denied. */
  readonly baseURL: string | URL;
  /** The wire format that it speaks. Default `"openai"`, which most gateways do. */
  readonly api?: ModelApi;
  /** What sends the requests that are allowed. Default: the global `fetch`. */
  readonly fetch?: Fetch;
}

/**
 * A `fetch` for any SDK that takes one and speaks the wire format of OpenAI or Anthropic. A denial is a response, 403 in the provider's own
 * error shape, and nothing has been sent then.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function guardFetch(session: Session, options: GuardFetchOptions): Fetch {
  assertSession("guardFetch", session);
  const { baseURL, api = "openai", fetch = globalThis.fetch, ...rest } = { ...options };
  if (!Object.hasOwn(ROUTES, api))
    throw new ConfigurationError(`guardFetch.api: expected "openai" or "anthropic"`);
  if (typeof fetch !== "function") throw new ConfigurationError("guardFetch.fetch: expected a function");
  if (!URL.canParse(String(baseURL)) || !/^https?:/i.test(String(baseURL))) {
    throw new ConfigurationError("guardFetch.baseURL: expected a URL such as https://api.openai.com/v1");
  }
  return guardedFetch({
    guard: parseModelGuardOptions("guardFetch", api, rest),
    session,
    baseURL: new URL(baseURL),
    fetch,
  });
}
