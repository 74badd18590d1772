import { UnreadableBodyError } from "../shared/model-api/request-body";

/** Reads a request's body once, and no further than it may be long. */
export function bodyReader(
  headers: Headers,
  body: ReadableStream<Uint8Array>,
): (maxBytes: number) => Promise<Uint8Array> {
  return async (maxBytes) => {
    refuseLonger(headers, maxBytes);
    const reader = body.getReader();
    const parts: Uint8Array[] = [];
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return joined(parts, length);
      length += value.byteLength;
      if (length > maxBytes) {
        // Whoever never stops sending must not fill the memory. The rest is the server's to throw away.
        reader.releaseLock();
        throw tooLong(maxBytes);
      }
      parts.push(value);
    }
  };
}

/** @throws {UnreadableBodyError} for a body that says itself that it is too long. */
export function refuseLonger(headers: Headers, maxBytes: number): void {
  if (Number(headers.get("content-length") ?? 0) > maxBytes) throw tooLong(maxBytes);
}

export function tooLong(maxBytes: number): UnreadableBodyError {
  return new UnreadableBodyError(`The request's body is longer than ${maxBytes} bytes.`, { status: 413 });
}

export function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = parts;
  if (first && parts.length === 1) return first;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
