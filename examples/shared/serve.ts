import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";

/** Answers one request. A rejection becomes a 500, so answer errors in the protocol's own shape where it matters. */
export type FetchHandler = (request: Request) => Promise<Response>;

/** A server that listens on loopback. */
export interface LoopbackServer {
  /** Without a trailing slash, such as `http://127.0.0.1:43121`. */
  readonly url: string;
  /** Closes the server and every open connection, streams included; may be called twice. */
  stop(): Promise<void>;
}

/**
 * Serves a web-standard handler on loopback, on a port that the system picks.
 *
 * The request's `signal` aborts when the client goes away, and the response's body is cancelled with it.
 */
export function serve(handler: FetchHandler): Promise<LoopbackServer> {
  const server = createServer((incoming, outgoing) => {
    answer(handler, incoming, outgoing).catch(() => outgoing.destroy());
  });
  return listening(server.listen(0, "127.0.0.1"));
}

/** Waits until a server listens that was told to do so on loopback. */
export async function listening(server: Server): Promise<LoopbackServer> {
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(handler: FetchHandler, incoming: IncomingMessage, outgoing: ServerResponse) {
  const request = await toRequest(incoming, abortedWith(outgoing));
  const response = await handler(request).catch(() => new Response(null, { status: 500 }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  // A stream of events opens before its first event.
  outgoing.flushHeaders();
  if (response.body === null) outgoing.end();
  else await pipeline(response.body, outgoing);
}

async function toRequest(incoming: IncomingMessage, signal: AbortSignal): Promise<Request> {
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const { method = "GET", url = "/" } = incoming;
  const body = Buffer.concat((await incoming.toArray()) as Buffer[]);
  return new Request(`http://${incoming.headers.host ?? "127.0.0.1"}${url}`, {
    method,
    headers,
    signal,
    ...(body.length > 0 && { body }),
  });
}

function abortedWith(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) controller.abort();
  });
  return controller.signal;
}
