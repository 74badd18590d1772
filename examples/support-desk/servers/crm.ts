import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { find, type Desk } from "./desk-data";
import { jsonText } from "./tool-result";

const annotations = { readOnlyHint: true, openWorldHint: false };

/** What is known of customers and their orders, on SDK 1. */
export function createCrmServer({ customers, orders }: Desk): McpServer {
  const server = new McpServer({ name: "crm", version: "1.0.0" });

  server.registerTool(
    "customer_get",
    {
      description: "Reads a customer.",
      inputSchema: z.strictObject({ customer_id: z.string().describe("Such as C-7") }),
      annotations,
    },
    ({ customer_id }) => jsonText(find(customers, customer_id)),
  );

  server.registerTool(
    "order_get",
    {
      description: "Reads an order.",
      inputSchema: z.strictObject({ order_id: z.string().describe("Such as O-5001") }),
      annotations,
    },
    ({ order_id }) => jsonText(find(orders, order_id)),
  );

  return server;
}
