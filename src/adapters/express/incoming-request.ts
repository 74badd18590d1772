import type { IncomingMessage } from "node:http";
import { ConfigurationError } from "../../core/errors";
import type { IncomingRequest } from "../http/front-door";
import { joined, refuseLonger, tooLong } from "../http/read-body";
import type { ExpressRequest } from "./express-request";

/**
 * A request of Express, of which nothing has been read, or what a body parser before the guard has made of it.
 *
 * @throws {ConfigurationError} where the body was read and lost.
 */
export function incomingRequest<Req extends ExpressRequest>(
  req: Req,
  signal: AbortSignal,
): IncomingRequest<Req> {
  const headers = headersOf(req);
  return {
    ...{ source: req, headers, signal, basePath: req.baseUrl, method: req.method ?? "" },
    url: urlOf(req),
    body: bodyOf(req, headers),
  };
}

/** All of them: `req.headers` keeps the first of two content types, and of two tokens. */
export function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index] ?? "", rawHeaders[index + 1] ?? "");
  }
  return headers;
}

/** Express goes by the path as it was sent. One that the URL standard reads as another path (`/v1/../files`) becomes a segment that nobody knows. */
export function urlOf({ baseUrl, url = "" }: ExpressRequest): URL {
  const sent = `${baseUrl}${url}`;
  const read = new URL(`http://localhost${sent.startsWith("/") ? "" : "/"}${sent}`);
  return `${read.pathname}${read.search}` === sent
    ? read
    : new URL(`http://localhost${baseUrl}/${encodeURIComponent(url)}`);
}

function bodyOf(req: ExpressRequest, headers: Headers): IncomingRequest<ExpressRequest>["body"] {
  if (!headers.has("transfer-encoding") && Number(headers.get("content-length") ?? 0) === 0) return undefined;
  if (!req.readableDidRead) {
    if (req.readableEncoding) {
      throw new ConfigurationError(
        "hopguard/express: what runs before the guard has called `req.setEncoding()`, and the body's own bytes are not to be had. Put the guard before it.",
      );
    }
    return (maxBytes) => readStream(req, headers, maxBytes);
  }
  // Whoever parsed the body has decoded it.
  headers.delete("content-encoding");
  const bytes = parsedBody(req.body, headers);
  return (maxBytes) =>
    bytes.byteLength > maxBytes ? Promise.reject(tooLong(maxBytes)) : Promise.resolve(bytes);
}

function parsedBody(body: unknown, headers: Headers): Uint8Array {
  if (body instanceof Uint8Array) return body;
  if (typeof body === "string") return Buffer.from(body);
  const isForm = /^multipart\//i.test(headers.get("content-type") ?? "");
  const text: unknown = isForm ? undefined : JSON.stringify(body);
  if (typeof text === "string") return Buffer.from(text);
  throw new ConfigurationError(
    "hopguard/express: what runs before the guard has read the request's body and left nothing that can be checked in `req.body`. Put the guard before it.",
  );
}

/** What comes after the longest length is thrown away unread. */
function readStream(req: IncomingMessage, headers: Headers, maxBytes: number): Promise<Uint8Array> {
  refuseLonger(headers, maxBytes);
  const closed = (): Error => new Error("The connection was closed within the request's body.");
  // It says so once, which may have been before anybody listened.
  if (req.destroyed) return Promise.reject(closed());
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    let length = 0;
    const read = (part: Uint8Array): void => {
      length += part.byteLength;
      if (length <= maxBytes) {
        parts.push(part);
        return;
      }
      req.off("data", read).resume();
      reject(tooLong(maxBytes));
    };
    req
      .on("data", read)
      .once("end", () => {
        resolve(joined(parts, length));
      })
      .once("error", reject)
      .once("close", () => {
        reject(closed());
      })
      // Whoever has paused it meant it to wait for the one who reads it.
      .resume();
  });
}
