import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import { NodeStreamableHTTPServerTransport, toNodeHandler } from "@modelcontextprotocol/node";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { WebStandardStreamableHTTPServerTransport as Web1 } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import * as sdk2 from "@modelcontextprotocol/server";
import express, { type RequestHandler } from "express";
import { Hono } from "hono";
import type { Guard } from "hopguard";
import { guardMcpServer as guardExpress } from "hopguard/express";
import { guardMcpServer as guardHono } from "hopguard/hono";
import { guardMcpServer, type McpRequestContext } from "hopguard/mcp-server";
import { onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";
import { eventStore } from "../conformance/servers/event-store";
import { fixture } from "./fixtures";
import { lab1, lab2, type Runs } from "./front-lab";

/** What a test chooses of a guarded server. */
export interface Choice {
  readonly agent?: { readonly id: string };
  /** By the header `x-user`, which stands for whatever a platform has verified, if there is no agent. */
  readonly resource?: string;
  readonly untyped?: "allow";
}

/** A guarded lab that listens on loopback. */
export interface RunningFrontDoor {
  readonly url: string;
  /** What its tools have run. */
  readonly runs: Runs;
  /** One for each server that was made, where servers are made for requests. */
  readonly created: readonly object[];
}

/** A way to serve MCP, with a guard in front. */
export interface FrontDoor {
  readonly name: string;
  readonly hasSessions: boolean;
  /** Whether it serves revision 2026-07-28, too. */
  readonly isModern: boolean;
  start(guard: Guard, choice?: Choice): Promise<RunningFrontDoor>;
}

/** Who asks, as a platform would know: `x-user: noor user`. */
const identified = (user: string | null | undefined) => {
  const [id, role] = user?.split(" ") ?? [];
  if (id === undefined || role === undefined) return undefined;
  return { principal: { id, roles: [role] }, agent: { id: "assistant" } };
};

const common = ({ agent, ...choice }: Choice = {}) => ({
  ...choice,
  server: "lab",
  effects: { tidy: "write" } as const,
  ...(agent && { agent }),
});

const byRequest = (choice?: Choice) =>
  choice?.agent ? {} : { identify: (request: Request) => identified(request.headers.get("x-user")) };

const byExpress = (choice?: Choice) =>
  choice?.agent ? {} : { identify: (req: IncomingMessage) => identified(req.headers["x-user"] as string) };

interface Handled {
  handleRequest(
    request: Request,
    options: Pick<McpRequestContext, "authInfo" | "parsedBody">,
  ): Promise<Response>;
}

/** A transport for each session, as SDKs' examples have it. */
function sessions<Transport extends { sessionId?: string | undefined }>(
  open: (
    opened: (id: string, transport: unknown) => void,
    closed: (id: string) => void,
  ) => Promise<Transport>,
) {
  const transports = new Map<string, Transport>();
  return async (id: string | null | undefined) =>
    id === null || id === undefined
      ? open(
          (opened, transport) => void transports.set(opened, transport as Transport),
          (closed) => void transports.delete(closed),
        )
      : transports.get(id);
}

const notFound = () => new Response("a session that the server does not know", { status: 404 });

async function listen(app: express.Express): Promise<string> {
  const server: Server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

async function listenWeb(fetch: (request: Request) => Promise<Response>): Promise<string> {
  const server = await serve(fetch);
  onTestFinished(() => server.stop());
  return `${server.url}/mcp`;
}

const webSessions = (
  name: string,
  Transport: typeof Web1 | typeof sdk2.WebStandardStreamableHTTPServerTransport,
  lab: typeof lab1 | typeof lab2,
  enableJsonResponse = false,
): FrontDoor => ({
  name,
  hasSessions: true,
  isModern: false,
  start: async (guard, choice) => {
    const runs: Runs = [];
    const guarded = guardMcpServer(guard, {
      ...common(choice),
      ...byRequest(choice),
      create: () => lab(runs),
    });
    const transportOf = sessions<Handled & { sessionId?: string | undefined }>(async (opened, closed) => {
      const transport: InstanceType<typeof Transport> = new Transport({
        sessionIdGenerator: randomUUID,
        enableJsonResponse,
        eventStore: eventStore(),
        onsessioninitialized: (id: string) => opened(id, transport),
        onsessionclosed: closed,
      });
      await guarded.connect(lab(runs), transport);
      return transport;
    });
    const url = await listenWeb((request) =>
      guarded.handle(request, async (passed, context) => {
        const transport = await transportOf(passed.headers.get("mcp-session-id"));
        return transport?.handleRequest(passed, context) ?? notFound();
      }),
    );
    return { url, runs, created: [] };
  },
});

const expressSessions = (
  name: string,
  Transport: typeof StreamableHTTPServerTransport | typeof NodeStreamableHTTPServerTransport,
  lab: typeof lab1 | typeof lab2,
): FrontDoor => ({
  name,
  hasSessions: true,
  isModern: false,
  start: async (guard, choice) => {
    const runs: Runs = [];
    const guarded = guardExpress(guard, {
      ...common(choice),
      ...byExpress(choice),
      create: () => lab(runs),
    });
    const transportOf = sessions<InstanceType<typeof StreamableHTTPServerTransport>>(
      async (opened, closed) => {
        const transport: InstanceType<typeof Transport> = new Transport({
          sessionIdGenerator: randomUUID,
          eventStore: eventStore(),
          onsessioninitialized: (id: string) => opened(id, transport),
          onsessionclosed: closed,
        });
        const server = await guarded.create();
        await server.connect(transport);
        return transport as never;
      },
    );
    const handler: RequestHandler = async (req, res) => {
      const transport = await transportOf(req.headers["mcp-session-id"] as string | undefined);
      if (transport) await transport.handleRequest(req, res, req.body);
      else res.status(404).end();
    };
    const app = express();
    app.use(guarded.metadata);
    app.all("/mcp", guarded.handle, handler);
    return { url: await listen(app), runs, created: [] };
  },
});

/** All versions of SDK 2 are called alike, so that one serves them, typed by the newest. */
const webBoth = (name: string, module: unknown): FrontDoor => ({
  name,
  hasSessions: false,
  isModern: true,
  start: async (guard, choice) => {
    const sdk = module as typeof sdk2;
    const runs: Runs = [];
    const created: object[] = [];
    const guarded = guardMcpServer(guard, {
      ...common(choice),
      ...byRequest(choice),
      create: () => {
        const server = lab2(runs, sdk);
        created.push(server);
        return server;
      },
    });
    const handler = sdk.createMcpHandler(guarded.create);
    const url = await listenWeb((request) => {
      if (request.url.includes("/.well-known/")) return Promise.resolve(guarded.metadata(request));
      return guarded.handle(request, (passed, context) => handler.fetch(passed, context));
    });
    return { url, runs, created };
  },
});

const oldest = fixture("oldest-frameworks");

/** The ways that users serve MCP, each of which a guard stands in. */
export const FRONT_DOORS: readonly FrontDoor[] = [
  webSessions("SDK 1, web-standard, with sessions", Web1, lab1),
  webSessions(
    "SDK 2, web-standard, with sessions, in JSON",
    sdk2.WebStandardStreamableHTTPServerTransport,
    lab2,
    true,
  ),
  expressSessions("SDK 1, Express, with sessions", StreamableHTTPServerTransport, lab1),
  expressSessions("SDK 2, Express, with sessions", NodeStreamableHTTPServerTransport, lab2),
  {
    name: "SDK 1, Express, a transport a request",
    hasSessions: false,
    isModern: false,
    start: async (guard, choice) => {
      const runs: Runs = [];
      const guarded = guardExpress(guard, {
        ...common(choice),
        ...byExpress(choice),
        create: () => lab1(runs),
      });
      const app = express();
      app.use(guarded.metadata);
      app.post("/mcp", guarded.handle, async (req, res) => {
        const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined } as never);
        const server = await guarded.create();
        res.on("close", () => void server.close());
        await server.connect(transport);
        await transport.handleRequest(req, res, req.body);
      });
      return { url: await listen(app), runs, created: [] };
    },
  },
  webBoth("SDK 2, web-standard, both revisions", sdk2),
  webBoth("SDK 2.0, web-standard, both revisions", oldest("@modelcontextprotocol/server")),
  {
    name: "SDK 2, Hono, both revisions",
    hasSessions: false,
    isModern: true,
    start: async (guard, choice) => {
      const runs: Runs = [];
      const guarded = guardHono(guard, {
        ...common(choice),
        ...(!choice?.agent && { identify: (c) => identified(c.req.header("x-user")) }),
        create: () => lab2(runs),
      });
      const handler = sdk2.createMcpHandler(guarded.create);
      const app = new Hono();
      app.use(guarded.metadata);
      app.all("/mcp", guarded.handle, (c) => handler.fetch(c.req.raw, c.var.hopguard));
      return { url: await listenWeb(async (request) => app.fetch(request)), runs, created: [] };
    },
  },
  {
    name: "SDK 2, Express, both revisions",
    hasSessions: false,
    isModern: true,
    start: async (guard, choice) => {
      const runs: Runs = [];
      const guarded = guardExpress(guard, {
        ...common(choice),
        ...byExpress(choice),
        create: () => lab2(runs),
      });
      const handler = toNodeHandler(sdk2.createMcpHandler(guarded.create));
      const app = express();
      app.use(guarded.metadata);
      app.all("/mcp", guarded.handle, (req, res) => handler(req, res, req.body));
      return { url: await listen(app), runs, created: [] };
    },
  },
];
