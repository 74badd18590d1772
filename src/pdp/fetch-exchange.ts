import { onAbort } from "../core/on-abort";
import { PdpError } from "../core/pdp-error";
import { utf8Decoder } from "../core/utf8";
import type { Exchange, ExchangeAnswer } from "./exchange";

/**
 * A POST and its answer by the runtime's own `fetch`, for runtimes that have nothing else. Redirects are not followed, and one deadline holds from the
 * first byte sent to the last byte read. Connections, and what stands between them and the PDP, are the runtime's.
 */
export function fetchExchange(
  base: URL,
  headers: Readonly<Record<string, string>>,
  maxAnswerBytes: number,
): Exchange {
  const fixed = new Headers(headers);
  fixed.set("content-type", "application/json");
  fixed.set("accept", "application/json");

  const once = async (path: string, body: string, signal: AbortSignal): Promise<ExchangeAnswer> => {
    let response: Response;
    try {
      const request: RequestInit = { method: "POST", headers: fixed, body, redirect: "manual", signal };
      response = await fetch(new URL(path, base), request);
    } catch (error) {
      signal.throwIfAborted();
      throw new PdpError("pdp_unavailable", `the PDP cannot be reached: ${(error as Error).message}`, {
        cause: error,
      });
    }
    return read(response, maxAnswerBytes, signal);
  };

  return {
    async post(path, body, { signal: callers, timeoutMs }) {
      callers.throwIfAborted();
      const controller = new AbortController();
      const letGo = onAbort(callers, () => controller.abort(callers.reason));
      const late = new PdpError("pdp_unavailable", `no answer from the PDP within ${timeoutMs} ms`);
      const timer = setTimeout(() => controller.abort(late), timeoutMs);
      const { signal } = controller;
      try {
        // A connection that the runtime kept open may have been closed by the other side just as it was taken. A question changes nothing: it may be asked once more.
        return await once(path, body, signal).catch((error: unknown) => {
          if (signal.aborted || !(PdpError.isInstance(error) && error.reason === "pdp_unavailable"))
            throw error;
          return once(path, body, signal);
        });
      } finally {
        clearTimeout(timer);
        letGo();
      }
    },
    close: () => undefined,
  };
}

async function read(
  { status, headers, body }: Response,
  maxBytes: number,
  signal: AbortSignal,
): Promise<ExchangeAnswer> {
  if (headers.has("content-encoding"))
    throw new PdpError("pdp_invalid_response", "the PDP answered with an encoded body that nobody asked for");
  const decode = utf8Decoder(
    (cause) => new PdpError("pdp_invalid_response", "the PDP's answer is not UTF-8", { cause }),
  );
  const reader = body?.getReader();
  let text = "";
  let size = 0;
  try {
    for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
      size += part.value.byteLength;
      if (size > maxBytes)
        throw new PdpError("pdp_invalid_response", `the PDP's answer is larger than ${maxBytes} bytes`);
      text += decode(part.value);
    }
    return { status, contentType: headers.get("content-type") ?? "", text: text + decode() };
  } catch (error) {
    signal.throwIfAborted();
    if (PdpError.isInstance(error)) throw error;
    throw new PdpError("pdp_unavailable", "the PDP broke off its answer", { cause: error });
  } finally {
    void reader?.cancel().catch(() => undefined);
  }
}
