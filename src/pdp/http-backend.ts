import { parseStrictJson } from "../core/strict-json";
import { PdpError } from "../core/pdp-error";
import { RequestRefusedError, type Backend, type ExchangeOptions } from "./backend";
import type { CreateExchange } from "./exchange";

/** Answers of 50 results with outputs are some hundred kilobytes. */
const MAX_ANSWER_LENGTH = 8 * 1024 * 1024;

/**
 * Asks a PDP by URL, strictly: exactly 200, JSON, and text that cannot be read two ways. A general HTTP client would follow redirects to
 * other hosts, take a proxy from the environment, and let the last of two members win.
 */
export function httpBackend(
  createExchange: CreateExchange,
  base: URL,
  headers: Readonly<Record<string, string>>,
): Backend {
  const exchange = createExchange(base, headers, MAX_ANSWER_LENGTH);

  const post = async (path: string, body: string, options: ExchangeOptions): Promise<unknown> => {
    const { status, contentType, text } = await exchange.post(path, body, options);
    if (status === 400 || status === 413 || status === 429) {
      throw new RequestRefusedError(`the PDP answered ${status}: ${text.slice(0, 500)}`);
    }
    if (status >= 500)
      throw new PdpError("pdp_unavailable", `the PDP answered ${status}: ${text.slice(0, 500)}`);
    if (status !== 200)
      throw new PdpError("pdp_invalid_response", `the PDP answered ${status} where only 200 counts`);
    if (!/^application\/json(?:\s*;|$)/i.test(contentType)) {
      throw new PdpError("pdp_invalid_response", `the PDP answered with content of type "${contentType}"`);
    }
    try {
      return parseStrictJson(text, { maxLength: MAX_ANSWER_LENGTH, maxDepth: 100 });
    } catch (error) {
      throw new PdpError("pdp_invalid_response", `the PDP's answer ${(error as Error).message}`, {
        cause: error,
      });
    }
  };

  return {
    check({ requestId, principal, checks, annotations, auxData }, options) {
      const envelope = JSON.stringify({
        requestId,
        includeMeta: true,
        principal,
        requestContext: { annotations },
        auxData,
      });
      const resources = checks.map(({ json }) => json).join(",");
      return post("api/check/resources", `${envelope.slice(0, -1)},"resources":[${resources}]}`, options);
    },
    plan({ requestId, principal, resource, action, annotations, auxData }, options) {
      const body = { requestId, principal, resource, action, requestContext: { annotations }, auxData };
      return post("api/plan/resources", JSON.stringify(body), options);
    },
    close: () => exchange.close(),
  };
}
