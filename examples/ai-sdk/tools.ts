import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { jsonSchema, tool, type JSONSchema7, type ToolSet } from "ai";
import type { ToolOrigin } from "hopguard/ai-sdk";
import type { SupportDeskServers } from "../support-desk/servers";

/** The tools of two MCP servers as the AI SDK's own, and where each of them belongs. */
export interface DeskTools {
  readonly tools: ToolSet;
  readonly origins: Readonly<Record<string, ToolOrigin>>;
  close(): Promise<void>;
}

/** Opens the servers, unguarded as any application would: the guard is put around the tools. */
export async function openTools(servers: SupportDeskServers): Promise<DeskTools> {
  const tools: ToolSet = {};
  const origins: Record<string, ToolOrigin> = {};
  const clients: Client[] = [];
  for (const server of ["tickets", "payments"] as const) {
    const client = new Client({ name: "support-desk", version: "1.0.0" });
    await client.connect(new StreamableHTTPClientTransport(new URL(servers[server].url)));
    clients.push(client);
    for (const { name, description = "", inputSchema } of (await client.listTools()).tools) {
      origins[name] = { server };
      tools[name] = tool({
        description,
        inputSchema: jsonSchema<Record<string, unknown>>(inputSchema as JSONSchema7),
        execute: async (args) => (await client.callTool({ name, arguments: args })).content,
      });
    }
  }
  return {
    tools,
    origins,
    close: async () => {
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}
