import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { onAbort } from "../core/on-abort";
import { PdpError } from "../core/pdp-error";
import type { ExchangeOptions } from "./backend";
import type { Exchange, ExchangeAnswer } from "./exchange";

/**
 * A POST and its answer, over connections of our own: no redirects, no proxy, and one deadline from the first byte sent to the last
 * byte read, so that a PDP that drips is as late as one that hangs.
 */
export function nodeExchange(
  base: URL,
  headers: Readonly<Record<string, string>>,
  maxAnswerBytes: number,
): Exchange {
  const secure = base.protocol === "https:";
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
  const request = secure ? httpsRequest : httpRequest;
  const fixed: RequestOptions = {
    method: "POST",
    protocol: base.protocol,
    // Node wants an IPv6 address without the brackets of the URL.
    hostname: base.hostname.replace(/^\[|\]$/g, ""),
    ...(base.port !== "" && { port: base.port }),
    agent,
  };

  const once = (
    path: string,
    body: Buffer,
    { signal, timeoutMs }: ExchangeOptions,
    connection: Pick<RequestOptions, "agent"> = {},
  ): Promise<ExchangeAnswer> =>
    new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const outgoing = request({
        ...fixed,
        ...connection,
        path: base.pathname + path,
        headers: {
          ...headers,
          "content-type": "application/json",
          accept: "application/json",
          "content-length": body.byteLength,
        },
      });
      const stop = (error: Error): void => {
        clearTimeout(timer);
        letGo();
        outgoing.destroy();
        reject(error);
      };
      const timer = setTimeout(
        () => stop(new PdpError("pdp_unavailable", `no answer from the PDP within ${timeoutMs} ms`)),
        timeoutMs,
      );
      const letGo = onAbort(signal, () => stop(signal.reason as Error));
      outgoing.on("error", (error) => stop(new ConnectionError(error, outgoing.reusedSocket)));
      outgoing.on("response", (incoming) => {
        read(incoming, maxAnswerBytes).then((text) => {
          clearTimeout(timer);
          letGo();
          resolve({
            status: incoming.statusCode ?? 0,
            contentType: incoming.headers["content-type"] ?? "",
            text,
          });
        }, stop);
      });
      outgoing.end(body);
    });

  return {
    async post(path, text, options) {
      const body = Buffer.from(text);
      const deadline = performance.now() + options.timeoutMs;
      try {
        return await once(path, body, options);
      } catch (error) {
        if (!(error instanceof ConnectionError)) throw error;
        // A connection that was kept open may have been closed by the other side just as it was taken: asked once more, on a fresh one,
        // because what ended one connection (a restart, a balancer's idle limit) has ended the others in the pool.
        const timeoutMs = Math.floor(deadline - performance.now());
        if (!error.reused || timeoutMs <= 0) throw unreachable(error);
        return await once(path, body, { ...options, timeoutMs }, { agent: false }).catch((again: unknown) => {
          throw again instanceof ConnectionError ? unreachable(again) : again;
        });
      }
    },
    close: () => agent.destroy(),
  };
}

class ConnectionError extends Error {
  constructor(
    cause: Error,
    readonly reused: boolean,
  ) {
    super(cause.message || cause.name, { cause });
  }
}

function unreachable({ message, cause }: ConnectionError): PdpError {
  return new PdpError("pdp_unavailable", `the PDP cannot be reached: ${message}`, { cause });
}

async function read(incoming: IncomingMessage, maxBytes: number): Promise<string> {
  if (incoming.headers["content-encoding"] !== undefined) {
    incoming.destroy();
    throw new PdpError("pdp_invalid_response", "the PDP answered with an encoded body that nobody asked for");
  }
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of incoming as AsyncIterable<Buffer>) {
      size += chunk.byteLength;
      if (size > maxBytes)
        throw new PdpError("pdp_invalid_response", `the PDP's answer is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (PdpError.isInstance(error)) throw error;
    throw new PdpError("pdp_unavailable", "the PDP broke off its answer", { cause: error });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (error) {
    throw new PdpError("pdp_invalid_response", "the PDP's answer is not UTF-8", { cause: error });
  }
}
