import { randomUUID } from "node:crypto";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { McpEndpoint } from "./mcp-http";

/** Serves SDK 1 servers with sessions, as revision 2025-11-25 has them: one server for each client that initializes. */
export function sessionEndpoint(createServer: () => McpServer): McpEndpoint {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();

  const open = async () => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await createServer().connect(transport);
    return transport;
  };

  return {
    async fetch(request) {
      const id = request.headers.get("mcp-session-id");
      const transport = id === null ? await open() : sessions.get(id);
      if (transport === undefined) return sessionNotFound();
      return transport.handleRequest(request);
    },
    async close() {
      await Promise.all([...sessions.values()].map((transport) => transport.close()));
    },
  };
}

/** Tells the client to initialize anew. */
function sessionNotFound(): Response {
  const error = { code: -32001, message: "Session not found" };
  return Response.json({ jsonrpc: "2.0", error, id: null }, { status: 404 });
}
