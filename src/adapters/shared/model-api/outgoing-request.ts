/** A call to `fetch`, as it was read once, before anything was awaited. */
export interface OutgoingRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: OutgoingBody;
  readonly signal: AbortSignal | undefined;
  /** What else the caller set (a dispatcher, `keepalive`, …), for the real fetch. */
  readonly rest: Readonly<Record<string, unknown>>;
}

export type OutgoingBody =
  | { readonly kind: "none" }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "form"; readonly entries: readonly (readonly [string, string | File])[] }
  /** Bytes, blobs and streams: read to their end before anything is decided. A server reads no further than so many bytes. */
  | { readonly kind: "bytes"; readonly read: (maxBytes: number) => Promise<ArrayBuffer | Uint8Array> };

type FetchInput = string | URL | Request;

/**
 * Reads the arguments of a call to `fetch`. Runs within the caller's own call, so that a form, a buffer or a header that is changed right after
 * it changes nothing.
 *
 * @throws {TypeError} for what `fetch` itself would not take.
 */
export function readOutgoing(input: FetchInput, init: RequestInit = {}): OutgoingRequest {
  const request = input instanceof Request ? input : undefined;
  // Spread: each member is read once, and getters with it. What is spread includes what the standard does not know (`dispatcher`).
  const {
    method,
    headers,
    body,
    signal,
    redirect: _redirect,
    ...rest
  } = { ...init } as RequestInit & Record<string, unknown>;
  const url = new URL(input instanceof Request ? input.url : input);
  const givenSignal = signal ?? request?.signal;
  return {
    url,
    method: (method ?? request?.method ?? "GET").toUpperCase(),
    headers: new Headers(headers ?? request?.headers),
    body: readBody(body ?? request?.body, givenSignal),
    signal: givenSignal,
    rest,
  };
}

function readBody(body: BodyInit | null | undefined, signal: AbortSignal | undefined): OutgoingBody {
  if (body === null || body === undefined) return { kind: "none" };
  if (typeof body === "string") return { kind: "text", text: body };
  if (body instanceof URLSearchParams) return { kind: "text", text: body.toString() };
  if (body instanceof FormData) return { kind: "form", entries: [...body.entries()] };
  if (body instanceof ArrayBuffer) return { kind: "bytes", read: constant(body.slice(0)) };
  if (ArrayBuffer.isView(body)) {
    const copy = new Uint8Array(body.byteLength);
    copy.set(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
    return { kind: "bytes", read: constant(copy.buffer) };
  }
  return { kind: "bytes", read: () => drain(new Response(body), signal) };
}

/** A stream that never ends is given up with the call, as `fetch` would. */
function drain({ body }: Response, signal: AbortSignal | undefined): Promise<ArrayBuffer> {
  return new Response(body?.pipeThrough(new TransformStream(), signal && { signal })).arrayBuffer();
}

function constant(buffer: ArrayBuffer): () => Promise<ArrayBuffer> {
  return () => Promise.resolve(buffer);
}
