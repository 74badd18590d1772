import { randomUUID } from "node:crypto";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import express, { type Express } from "express";
import { guardMcpServer } from "hopguard/express";
import * as z from "zod";
import { refund, type Payments } from "../express/payments";
import { find } from "../support-desk/servers/desk-data";
import { jsonText } from "../support-desk/servers/tool-result";
import type { AppSettings } from "./stage";

/** The payments server on SDK 1, with sessions, behind Express. */
export function createApp({ guard, resource, issuer, desk }: AppSettings): Express {
  const guarded = guardMcpServer(guard, {
    server: "payments",
    create: () => createServer(desk.payments),
    agent: { id: "assistant" },
    effects: { refund_issue: "destructive" },
    resource,
    authorizationServers: [issuer],
  });
  const transports = new Map<string, StreamableHTTPServerTransport>();

  const open = async (): Promise<StreamableHTTPServerTransport> => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    });
    const server = await guarded.create();
    await server.connect(transport);
    return transport;
  };

  const app = express();
  app.use(guarded.metadata);
  // No body parser before it: the guard reads the body itself.
  app.all("/mcp", guarded.handle, async (req, res) => {
    const id = req.header("mcp-session-id");
    const transport = id === undefined ? await open() : transports.get(id);
    if (transport) await transport.handleRequest(req, res, req.body);
    else res.sendStatus(404);
  });
  return app;
}

function createServer(payments: Payments): McpServer {
  const server = new McpServer({ name: "payments", version: "1.0.0" });
  const payment_id = z.string();

  server.registerTool("payment_get", { inputSchema: { payment_id } }, (args) =>
    jsonText(find(payments, args.payment_id)),
  );

  const inputSchema = { payment_id, ticket_id: z.string(), amount_cents: z.int().positive() };
  server.registerTool("refund_issue", { inputSchema }, (args) =>
    jsonText(refund(payments, args.payment_id, args.amount_cents)),
  );
  return server;
}
