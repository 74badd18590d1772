import type { CheckedBody } from "../shared/model-api/request-body";
import type { RequestContext, RequestGuard } from "./request-guard";
import { bodyReader } from "./read-body";

/** A request as a framework's shell hands it on. Nothing of its body has been read. */
export interface IncomingRequest<Source> {
  /** What the framework hands its own handlers. */
  readonly source: Source;
  /** Its host is the caller's word, and nothing is decided by it. */
  readonly url: URL;
  /** What of the path the framework has matched. */
  readonly basePath: string;
  readonly method: string;
  readonly headers: Headers;
  /** Reads the body, once, and no further than so many bytes; `undefined` where there is none. @throws {UnreadableBodyError} */
  readonly body: ((maxBytes: number) => Promise<Uint8Array>) | undefined;
  /** Aborted when the caller goes. */
  readonly signal: AbortSignal;
}

/** A request that was allowed, in the form in which it was checked. */
export interface CheckedRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: CheckedBody;
  /** Aborted when the caller goes, or authority is withdrawn. */
  readonly signal: AbortSignal;
}

/** Lets the handler answer. */
export type Next = (checked: CheckedRequest, context: RequestContext) => Promise<Response>;

/** The core of a guard of requests, whatever the framework: answers by `next` if the request is allowed, else with a denial. */
export type FrontDoor<Source> = (incoming: IncomingRequest<Source>, next: Next) => Promise<Response>;

/** A guard of the web's own requests. */
export function requestGuard(frontDoor: FrontDoor<Request>): RequestGuard {
  return (request, handler) =>
    frontDoor(incomingRequest(request, request, ""), async (checked, context) =>
      handler(toRequest(checked), context),
    );
}

/** @param source what holds the request. */
export function incomingRequest<Source>(
  request: Request,
  source: Source,
  basePath: string,
): IncomingRequest<Source> {
  const { method, headers, body, signal } = request;
  return {
    ...{ source, basePath, method, headers, signal },
    url: new URL(request.url),
    body: body === null ? undefined : bodyReader(headers, body),
  };
}

/** The web's request with what was checked, and nothing else. */
export function toRequest({ url, method, headers, body, signal }: CheckedRequest): Request {
  const content = body.kind === "json" ? body.text : body.kind === "form" ? body.form : undefined;
  return new Request(url, { method, headers, signal, ...(content !== undefined && { body: content }) });
}
