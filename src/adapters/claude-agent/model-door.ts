// The SDK runs a process: where there is no Node, there is no SDK.
/* eslint-disable no-restricted-imports -- as above */
import { once, setMaxListeners } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
/* eslint-enable no-restricted-imports */
import type { Fetch } from "../shared/model-api/guarded-fetch";
import type { Upstream } from "./process-env";
import { isTestedVersion, UNTESTED, versionOf } from "./version";

/** A place on loopback through which the model calls of a process go. */
export interface ModelDoor {
  /** Without a trailing slash. */
  readonly url: string;
  /** What the process shows in place of the provider's key. Good here, and nowhere else. */
  readonly key: string;
  /** Closes it, and every call under way. */
  close(): Promise<void>;
}

export interface ModelDoorOptions {
  readonly upstream: Upstream;
  /** Decides before it sends. */
  readonly fetch: Fetch;
  /** Sees each body before it is decided. */
  readonly onBody: (body: string) => void;
}

/** Room for a conversation with pictures; what is longer the provider does not take either. */
const MAX_BODY_BYTES = 33_554_432;
/** Of one connection only, or no longer true of a body that `fetch` has unpacked; and what proves who the caller is. */
const DROPPED =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|content-length|content-encoding|accept-encoding|expect|x-api-key|authorization)$/;

/** Opens a door for one agent: whoever shows its key makes model calls on behalf of the session, as far as the policy allows. */
export async function openModelDoor(options: ModelDoorOptions): Promise<ModelDoor> {
  const key = `hopguard-${crypto.randomUUID()}${crypto.randomUUID()}`;
  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing, key, options).catch(() => {
      if (outgoing.headersSent) outgoing.destroy();
      else sendError(outgoing, 502, "api_error", "The model provider could not be reached.");
    });
  });
  // A process that is never waited for does not outlive its user for the door's sake.
  server.unref();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    key,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  key: string,
  { upstream, fetch, onBody }: ModelDoorOptions,
): Promise<void> {
  const { method = "GET", url = "" } = incoming;
  const { "x-api-key": apiKey, authorization, "user-agent": userAgent = null } = incoming.headers;
  // Newer clients show an API key as a bearer token.
  if ((apiKey !== key && authorization !== `Bearer ${key}`) || !url.startsWith("/")) {
    sendError(outgoing, 401, "authentication_error", "This key is not the door's.");
    return;
  }
  const version = versionOf(userAgent);
  if (version === undefined || !isTestedVersion(version)) {
    const found = version === undefined ? "This is not claude" : `This is claude ${version}`;
    sendError(outgoing, 403, "permission_error", `${found}; ${UNTESTED}.`);
    return;
  }
  const body = await readBody(incoming);
  if (body === undefined) {
    sendError(outgoing, 413, "request_too_large", "The request is too large.");
    return;
  }
  onBody(body);
  const response = await fetch(`${upstream.baseURL.href.replace(/\/$/, "")}${url}`, {
    method,
    headers: [...passedOn(incoming), ...upstream.headers] as [string, string][],
    signal: abortedWith(outgoing),
    redirect: "error",
    ...(body !== "" && { body }),
  });
  outgoing.writeHead(response.status, [...response.headers].filter(([name]) => !DROPPED.test(name)).flat());
  // A stream of events opens before its first event.
  outgoing.flushHeaders();
  if (response.body === null) outgoing.end();
  else await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), outgoing);
}

function passedOn({ headersDistinct }: IncomingMessage): (readonly [string, string])[] {
  return Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    DROPPED.test(name) ? [] : values.map((value) => [name, value] as const),
  );
}

async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return new TextDecoder("utf-8", { fatal: true }).decode(await new Blob(chunks as BlobPart[]).arrayBuffer());
}

function abortedWith(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController();
  // A check of each declared tool listens, and Claude declares dozens: no leak, which Node would warn of.
  setMaxListeners(0, controller.signal);
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** In the provider's shape, which `claude` shows to its user. It tries again what has failed on the way, and nothing that the door refuses. */
function sendError(outgoing: ServerResponse, status: number, type: string, message: string): void {
  outgoing.writeHead(status, {
    "content-type": "application/json",
    ...(status < 500 && { "x-should-retry": "false" }),
  });
  outgoing.end(JSON.stringify({ type: "error", error: { type, message } }));
}
