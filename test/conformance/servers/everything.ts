import { randomUUID } from "node:crypto";
import {
  createMcpHandler,
  isLegacyRequest,
  McpServer,
  WebStandardStreamableHTTPServerTransport,
  type McpHandlerRequestOptions,
  type McpHttpHandler,
  type ServerNotifier,
} from "@modelcontextprotocol/server";
import type { McpEndpoint } from "../../../examples/support-desk/servers/mcp-http";
import { registerAskingTools } from "./asking-tools";
import { registerContentTools } from "./content-tools";
import { eventStore } from "./event-store";
import { registerInputRequiredTools, rounds } from "./input-required";
import { registerPrompts, registerResources } from "./resources-and-prompts";

/** Milliseconds after which a client that lost its stream may come back. */
export const RETRY_MS = 300;

/** What stands in front of a server in its own process. */
export interface Front {
  /** Makes a server in front of which it stands. */
  readonly create: () => McpServer | Promise<McpServer>;
  /** Hands on what may pass, with what the transport needs beside the request. */
  readonly handle: (
    request: Request,
    answer: (request: Request, options?: McpHandlerRequestOptions) => Promise<Response>,
  ) => Promise<Response>;
}

const nothing = (create: () => McpServer): Front => ({
  create,
  handle: (request, answer) => answer(request),
});

/** A server with whatever the suite's scenarios for servers look for, in every revision. */
export function everythingEndpoint(frontOf = nothing): McpEndpoint {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const front = frontOf(() => createServer(modern.notify));
  const modern: McpHttpHandler = createMcpHandler(front.create, { legacy: "reject" });

  const open = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: eventStore(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await (await front.create()).connect(transport);
    return transport;
  };

  return {
    fetch: (given) =>
      front.handle(given, async (request, options) => {
        if (!(await isLegacyRequest(request, options?.parsedBody))) return modern.fetch(request, options);
        const id = request.headers.get("mcp-session-id");
        const transport = id === null ? await open() : sessions.get(id);
        return transport?.handleRequest(request, options) ?? new Response(null, { status: 404 });
      }),
    async close() {
      await modern.close();
      await Promise.all([...sessions.values()].map((transport) => transport.close()));
    },
  };
}

function createServer(notify: ServerNotifier): McpServer {
  const lists = { listChanged: true };
  const server = new McpServer(
    { name: "conformance-server", version: "1.0.0" },
    {
      capabilities: {
        tools: lists,
        resources: { ...lists, subscribe: true },
        prompts: lists,
        logging: {},
        completions: {},
      },
      requestState: { verify: (state, context) => rounds.verify(state, context) },
    },
  );
  registerContentTools(server);
  registerAskingTools(server);
  registerInputRequiredTools(server);
  registerResources(server);
  registerPrompts(server);

  const changes = {
    test_trigger_tool_change: () => notify.toolsChanged(),
    test_trigger_prompt_change: () => notify.promptsChanged(),
  };
  for (const [name, change] of Object.entries(changes)) {
    server.registerTool(name, { description: "Tells who listens." }, () => {
      change();
      return { content: [{ type: "text", text: "told" }] };
    });
  }
  server.server.setRequestHandler("logging/setLevel", () => ({}));
  server.server.setRequestHandler("completion/complete", () => ({
    completion: { values: ["paris", "park"], total: 2, hasMore: false },
  }));
  return server;
}
