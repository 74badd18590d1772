import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { find, ticketStatuses, type Desk } from "./desk-data";
import { jsonText } from "./tool-result";

const ticket_id = z.string().describe("Such as T-1001");
const status = z.enum(ticketStatuses);

/** The ticket system, on SDK 1. */
export function createTicketsServer({ tickets }: Desk): McpServer {
  const server = new McpServer({ name: "tickets", version: "1.0.0" });

  server.registerTool(
    "ticket_get",
    {
      description: "Reads a ticket with its comments.",
      inputSchema: z.strictObject({ ticket_id }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    (args) => jsonText(find(tickets, args.ticket_id)),
  );

  server.registerTool(
    "ticket_list",
    {
      description: "Lists the tickets, all or those of one status.",
      inputSchema: z.strictObject({ status: status.optional() }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    (args) =>
      jsonText([...tickets.values()].filter((ticket) => ticket.status === (args.status ?? ticket.status))),
  );

  server.registerTool(
    "ticket_comment",
    {
      description: "Adds a comment to a ticket.",
      inputSchema: z.strictObject({ ticket_id, body: z.string().min(1) }),
      annotations: {
        readOnlyHint: false,
        destructiveHint: false,
        idempotentHint: false,
        openWorldHint: false,
      },
    },
    (args) => {
      const ticket = find(tickets, args.ticket_id);
      ticket.comments.push(args.body);
      return jsonText(ticket);
    },
  );

  server.registerTool(
    "ticket_set_status",
    {
      description: "Changes where a ticket stands.",
      inputSchema: z.strictObject({ ticket_id, status }),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    },
    (args) => {
      const ticket = find(tickets, args.ticket_id);
      ticket.status = args.status;
      return jsonText(ticket);
    },
  );

  return server;
}
