import { digestJson } from "../../core/digest";
import { remember } from "../../core/remember";
import { paramsOf, type JsonRpcRequest } from "./json-rpc";
import type { SendOptions } from "./transport";

/** Every event of a stream has a token of its own, of which the last is the one that counts. */
const MAX_TOKENS = 10_000;

/**
 * Which request each resumption token came from. A transport that is given a token fetches the rest of that stream, whatever the message
 * is, and passes the answer off as the answer to the message: a `ping` would fetch a tool list unfiltered, a guessed token another user's
 * result. A stream is therefore resumed by the very request that began it, which is decided again, and whose answer is reviewed as its own.
 */
export class Resumptions {
  /** Promises, because the digest is only needed when a stream is resumed. */
  readonly #digests = new Map<string, Promise<string>>();

  /** Whether the token, if there is one, belongs to this request. */
  async allow(request: JsonRpcRequest, { resumptionToken: token }: SendOptions): Promise<boolean> {
    return token === undefined || (await this.#digests.get(token)) === (await digestOf(request));
  }

  /** The options to send the request with, so that its tokens become known. */
  observe(request: JsonRpcRequest, options: SendOptions): SendOptions {
    const { onresumptiontoken: tell } = options;
    if (!tell) return options;
    const digest = digestOf(request);
    const onresumptiontoken = (token: string): void => {
      this.#bind(token, digest);
      tell(token);
    };
    return { ...options, onresumptiontoken };
  }

  #bind(token: string, digest: Promise<string>): void {
    remember(this.#digests, token, digest, MAX_TOKENS);
  }
}

/** What is asked, without what differs from one sending to the next. */
function digestOf(request: JsonRpcRequest): Promise<string> {
  const { _meta: _, ...params } = paramsOf(request);
  return digestJson([request.method, params]);
}
