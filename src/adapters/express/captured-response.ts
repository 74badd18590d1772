import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { asHeaders, setHeaders } from "./node-headers";

/** The response of a handler, held back so that it can be followed. */
export interface CapturedResponse {
  /** What the handler answers, as soon as it has begun to. */
  readonly answer: Promise<Response>;
  /** Writes to whoever asked. @param isAnswer what of the handler's own head is not in it was taken out. */
  readonly send: (response: Response, isAnswer: boolean) => Promise<void>;
  /** Lets everything through from now on. */
  readonly release: () => void;
}

type Done = (error?: Error | null) => void;

/** Statuses whose responses have no body. */
const EMPTY: ReadonlySet<number> = new Set([204, 205, 304]);
/** Bytes that a handler may be ahead of whoever asked, as in Node. */
const AHEAD = 16_384;

/** The captures of one response, because guards may stand behind one another. The first is next to the socket. */
interface Captures {
  count: number;
  /** This one and those behind it let everything through at the moment. */
  passing: number;
  /** Whether what the newest writes to takes no more for now: the socket, or the capture before it. */
  isHeld: () => boolean;
}
const captures = new WeakMap<ServerResponse, Captures>();

/**
 * Holds back what is written to a response from now on. The headers and the status stay where they are, for whoever looks at them.
 *
 * `write`, `end`, `writeHead` and `flushHeaders` are all that leads to the socket; Express' `json`, `send`, `sendFile` and `redirect`, and `pipe`, call them.
 */
export function captureResponse(res: ServerResponse): CapturedResponse {
  const { method } = res.req;
  const before = { ...res.getHeaders() };
  const all = captures.get(res) ?? { count: 0, passing: Infinity, isHeld: () => res.writableNeedDrain };
  captures.set(res, all);
  const { isHeld } = all;
  const own = all.count++;
  let isReleased = false;
  const passes = (): boolean => isReleased || own >= all.passing;
  let writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  let begun = false;
  let ended = false;
  let answer!: (response: Response) => void;
  const answered = new Promise<Response>((resolve) => (answer = resolve));

  all.isHeld = () => (writer?.desiredSize ?? 1) <= 0 || isHeld();

  /** Node's own methods call one another by the names that are taken here, and behind this capture. */
  const through = <T>(act: () => T): T => {
    const { passing } = all;
    all.passing = Math.min(passing, own);
    try {
      return act();
    } finally {
      all.passing = passing;
    }
  };
  /** Answers with the way past the capture. */
  const capture = (
    name: "write" | "end" | "writeHead" | "flushHeaders",
    captured: (...args: unknown[]) => unknown,
  ): ((...args: unknown[]) => unknown) => {
    // What runs before the guard may have its own in its place.
    const real = Reflect.get(res, name) as (...args: unknown[]) => unknown;
    const either = (...args: unknown[]): unknown =>
      passes() ? Reflect.apply(real, res, args) : captured(...args);
    Object.defineProperty(res, name, { value: either, writable: true, configurable: true });
    return (...args) => through(() => Reflect.apply(real, res, args));
  };

  const begin = (isWhole = false, whole?: Uint8Array): void => {
    const hasBody = method !== "HEAD" && !EMPTY.has(res.statusCode);
    let body: Uint8Array | ReadableStream<Uint8Array> | undefined = whole;
    if (!isWhole) {
      const stream = new TransformStream<Uint8Array, Uint8Array>(
        {},
        new ByteLengthQueuingStrategy({ highWaterMark: AHEAD }),
      );
      writer = stream.writable.getWriter();
      writer.closed.catch(() => undefined);
      body = stream.readable;
    }
    // Unset until it is set, whatever its type says.
    const { statusCode: status, statusMessage } = res as { statusCode: number; statusMessage?: string };
    const response = new Response(hasBody ? (body as BodyInit | undefined) : undefined, {
      ...{ status, statusText: statusMessage ?? "", headers: asHeaders(res.getHeaders()) },
    });
    begun = true;
    answer(response);
    // Nobody reads it, and whoever writes it goes on.
    if (!hasBody && body instanceof ReadableStream) body.pipeTo(new WritableStream()).catch(() => undefined);
  };
  const push = (bytes: Uint8Array, done: Done | undefined): boolean => {
    const to = writer;
    if (!to) return true;
    to.write(bytes).then(
      () => done?.(),
      () => done?.(),
    );
    if ((to.desiredSize ?? 1) > 0) return true;
    to.ready.then(() => res.emit("drain")).catch(() => undefined);
    return false;
  };

  capture("writeHead", (status, ...rest) => {
    if (res.headersSent) throw new Error("The handler writes the head of its response twice.");
    res.statusCode = status as number;
    if (typeof rest[0] === "string") res.statusMessage = rest.shift() as string;
    setHeaders(res, rest[0] as OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined);
    begin();
    return res;
  });
  const flushHeaders = capture("flushHeaders", () => {
    if (!begun) begin();
  });
  const write = capture("write", (chunk, encoding, done) => {
    if (ended) return false;
    if (!begun) begin();
    return push(bytesOf(chunk, encoding), callbackOf(encoding, done));
  });
  const end = capture("end", (chunk, encoding, done) => {
    if (ended) return res;
    const isChunk = chunk !== undefined && chunk !== null && typeof chunk !== "function";
    const bytes = isChunk ? bytesOf(chunk, encoding) : undefined;
    const finished = callbackOf(chunk, encoding, done);
    // It throws at a status that no web response has, such as 999, and the error handler is to answer then.
    if (!begun) begin(true, bytes);
    else if (bytes) push(bytes, undefined);
    ended = true;
    if (finished) res.once("finish", finished);
    writer?.close().catch(() => undefined);
    return res;
  });
  const header = beneath(res, "_header");
  const writableEnded = beneath(res, "writableEnded");
  Object.defineProperties(res, {
    // By which Node, and middleware that packs responses, know that the head is written: `headersSent` says it, and `setHeader` throws.
    _header: {
      get: () => header.get() ?? (begun && !passes() ? "captured" : null),
      set: header.set,
      configurable: true,
    },
    writableEnded: {
      get: () => (!passes() && ended) || writableEnded.get(),
      configurable: true,
    },
  });

  const setHead = ({ status, statusText, headers }: Response, isAnswer: boolean): void => {
    for (const name of res.getHeaderNames()) if (!isAnswer || !headers.has(name)) res.removeHeader(name);
    // A denial stands beside what was set before the guard, such as whether a page of another origin may read it.
    if (!isAnswer) setHeaders(res, before);
    for (const [name, value] of headers) {
      const given = res.getHeader(name);
      const same = Array.isArray(given) ? given.join(", ") : given?.toString();
      if (name !== "set-cookie" && same !== value) res.setHeader(name, value);
    }
    if (isAnswer) {
      const cookies = headers.getSetCookie();
      if (cookies.length > 0) res.setHeader("set-cookie", cookies);
    }
    res.statusCode = status;
    res.statusMessage = statusText;
  };

  return {
    answer: answered,
    release: () => {
      isReleased = true;
    },
    send: async (response, isAnswer) => {
      const { body, headers } = response;
      const isStream = writer !== undefined || headers.get("content-type")?.startsWith("text/event-stream");
      if (!isStream || body === null) {
        const bytes = body && Buffer.from(await response.arrayBuffer());
        through(() => {
          setHead(response, isAnswer);
        });
        end(...(bytes ? [bytes] : []));
        return;
      }
      through(() => {
        setHead(response, isAnswer);
      });
      // Who waits for events may wait long for the first of them.
      flushHeaders();
      for await (const part of body) {
        // Other middleware, in front of the socket, expects Node's own bytes.
        write(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
        if (isHeld()) await drained(res, isHeld);
        if (res.destroyed) return;
      }
      end();
    },
  };
}

/** A property as it would be without the capture: Node's own, or as the capture before it has it. */
function beneath(
  res: ServerResponse,
  name: "_header" | "writableEnded",
): { readonly get: () => unknown; readonly set: (value: unknown) => void } {
  const own = Object.getOwnPropertyDescriptor(res, name);
  const inherited = Object.getPrototypeOf(res) as object;
  let value: unknown = own?.value;
  return {
    get: () => (own ? (own.get ? own.get.call(res) : value) : Reflect.get(inherited, name, res)) as unknown,
    set: (given) => {
      if (own?.set) own.set.call(res, given);
      else value = given;
    },
  };
}

/** Resolves when more can be written, or the connection has gone. */
async function drained(res: ServerResponse, isHeld: () => boolean): Promise<void> {
  while (isHeld() && !res.destroyed) {
    await new Promise<void>((resolve) => {
      const over = (): void => {
        res.off("drain", over).off("close", over);
        resolve();
      };
      res.on("drain", over).on("close", over);
    });
  }
}

function bytesOf(chunk: unknown, encoding: unknown): Uint8Array {
  if (typeof chunk === "string")
    return Buffer.from(chunk, typeof encoding === "string" ? (encoding as BufferEncoding) : "utf8");
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError("A chunk of a response is neither a string nor bytes.");
}

function callbackOf(...candidates: readonly unknown[]): Done | undefined {
  return candidates.find((candidate): candidate is Done => typeof candidate === "function");
}
