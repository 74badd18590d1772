import type { Context, MiddlewareHandler } from "hono";
import { ConfigurationError } from "../../core/errors";
import { incomingRequest, toRequest, type FrontDoor, type IncomingRequest } from "../http/front-door";
import { tooLong } from "../http/read-body";

/** Puts a guard in front of the handlers behind the middleware, whose response goes through it. */
export function middleware(frontDoor: FrontDoor<Context>): MiddlewareHandler {
  return async function hopguard(c, next) {
    let answer: Response | undefined;
    const response = await frontDoor(incoming(c), async (checked, context) => {
      c.req.raw = toRequest(checked);
      const { body } = checked;
      // Hono reads a body once, and remembers what it was.
      c.req.bodyCache = body.kind === "json" ? { text: Promise.resolve(body.text) as never } : {};
      c.set("hopguard", context);
      await next();
      return (answer = c.res);
    });
    if (!answer) return response;
    answerWith(c, response);
    return undefined;
  };
}

/** In place of the handler's response, whose headers Hono would mix in. */
export function answerWith(c: Context, response: Response): void {
  c.res = undefined;
  c.res = response;
}

/** @throws {ConfigurationError} where the body was read and lost. */
export function incoming(c: Context): IncomingRequest<Context> {
  const { raw } = c.req;
  const given = incomingRequest(raw, c, mountedOn(c));
  // At once, where it is the order of middleware that is wrong.
  if (raw.bodyUsed) rememberedBody(c);
  const { body } = given;
  return {
    ...given,
    // `identify` may read it, too.
    body: body && (async (maxBytes) => (raw.bodyUsed ? remembered(c, maxBytes) : body(maxBytes))),
  };
}

async function remembered(c: Context, maxBytes: number): Promise<Uint8Array> {
  const bytes = await rememberedBody(c)();
  if (bytes.byteLength > maxBytes) throw tooLong(maxBytes);
  return bytes;
}

/** What Hono remembers of a body that was read: by itself, because its oldest versions do not make one form of another. */
function rememberedBody({ req }: Context): () => Promise<Uint8Array> {
  const { text, json, arrayBuffer, blob } = req.bodyCache as unknown as Remembered;
  const encode = (body: string): Uint8Array => new TextEncoder().encode(body);
  if (text) return async () => encode(await text);
  if (arrayBuffer) return async () => new Uint8Array(await arrayBuffer);
  if (json) return async () => encode(JSON.stringify(await json));
  if (blob) return async () => new Uint8Array(await (await blob).arrayBuffer());
  throw new ConfigurationError(
    "hopguard/hono: what runs before the guard has read the request's body, and not by `c.req.json()`, `text()` or `arrayBuffer()`, which remember it. Put the guard before it.",
  );
}

/** Hono's own type leaves the promises out. */
interface Remembered {
  readonly text?: Promise<string>;
  readonly arrayBuffer?: Promise<ArrayBuffer>;
  readonly json?: Promise<unknown>;
  readonly blob?: Promise<Blob>;
}

/** What of the request's path stands before the wildcard of the route that the guard is on. */
function mountedOn({ req }: Context): string {
  // The helper that takes its place came later than the oldest version that is supported.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const { routePath, raw } = req;
  if (!routePath.endsWith("/*")) return "";
  const segments = routePath.split("/").length - 1;
  return new URL(raw.url).pathname.split("/").slice(0, segments).join("/");
}
