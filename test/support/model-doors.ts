import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import * as hono from "hono";
import type { AgentInput, Guard, SessionOptions } from "hopguard";
import { guardRequests as guardExpress } from "hopguard/express";
import { guardRequests as guardHono } from "hopguard/hono";
import { guardRequests as guardHttp, type GuardRequestsOptions } from "hopguard/http";
import { fixture } from "./fixtures";

/** What every framework's guard is given alike. */
export type DoorOptions = Omit<GuardRequestsOptions<never>, "agent" | "identify"> & {
  readonly agent?: AgentInput;
  readonly identify?: (authorization: string | null) => SessionOptions | undefined;
};

export interface Door {
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** Paths of the requests that the handler was run for. */
  readonly handled: string[];
  stop(): Promise<void>;
}

export interface DoorLine {
  readonly line: string;
  /** An application in which a guard stands before a handler that forwards to the provider: what a gateway of one's own is. */
  readonly open: (guard: Guard, options: DoorOptions, upstream: string) => Promise<Door>;
}

/** As a gateway forwards a request: with a key of its own, which the caller does not know. */
export async function forward(request: Request, upstream: string): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const sent = new Request(`${upstream}${pathname}${search}`, request);
  sent.headers.set("authorization", "Bearer sk-of-the-gateway");
  const answer = await fetch(sent);
  const headers = new Headers(answer.headers);
  for (const name of ["connection", "keep-alive", "transfer-encoding"]) headers.delete(name);
  return new Response(answer.body, { status: answer.status, headers });
}

export async function listening(server: Server, handled: string[] = []): Promise<Door> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    ...{ port, handled },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The options, with whoever `identify` names by the header of a framework's own request. */
function optionsOf<Source>(
  options: DoorOptions,
  authorizationOf: (source: Source) => string | null | undefined,
): GuardRequestsOptions<Source> {
  const { identify, ...rest } = options;
  if (!identify) return rest;
  return { ...rest, identify: (source) => identify(authorizationOf(source) ?? null) };
}

/** All versions of Express are called alike, so that one serves them, typed by the newest. */
const expressLine = (line: string, module: unknown): DoorLine => ({
  line,
  open: (guard, options, upstream) => {
    const handled: string[] = [];
    const app = (module as typeof express)();
    const given = optionsOf<express.Request>(options, (req) => req.headers.authorization);
    app.use("/v1", guardExpress(guard, given), async (req, res) => {
      handled.push(req.originalUrl);
      const { request } = req.hopguard ?? {};
      if (!request) throw new Error("The guard has not run.");
      const answer = await forward(request, upstream);
      res.status(answer.status);
      for (const [name, value] of answer.headers) res.setHeader(name, value);
      if (answer.body) await pipeline(Readable.fromWeb(answer.body as never), res).catch(() => undefined);
      else res.end();
    });
    return listening(createServer(app), handled);
  },
});

const honoLine = (line: string, module: unknown): DoorLine => ({
  line,
  open: (guard, options, upstream) => {
    const handled: string[] = [];
    const app = new (module as typeof hono).Hono();
    const given = optionsOf<hono.Context>(options, (c) => c.req.header("authorization"));
    app.use("/v1/*", guardHono(guard, given));
    app.all("/v1/*", (c) => {
      handled.push(c.req.path);
      return forward(c.req.raw, upstream);
    });
    return listening(createAdaptorServer({ fetch: app.fetch }) as Server, handled);
  },
});

const oldest = fixture("oldest-frameworks");

/** The newest of each framework, and the oldest. */
export const doorLines: readonly DoorLine[] = [
  {
    line: "hopguard/http",
    open: (guard, options, upstream) => {
      const handled: string[] = [];
      const given = optionsOf<Request>(options, ({ headers }) => headers.get("authorization"));
      const guarded = guardHttp(guard, given);
      const app = (request: Request): Promise<Response> =>
        guarded(request, (checked) => {
          handled.push(new URL(checked.url).pathname);
          return forward(checked, upstream);
        });
      return listening(createAdaptorServer({ fetch: app }) as Server, handled);
    },
  },
  expressLine("hopguard/express", express),
  expressLine("hopguard/express, on 5.0", oldest("express")),
  honoLine("hopguard/hono", hono),
  honoLine("hopguard/hono, on 4.0", oldest("hono")),
];
