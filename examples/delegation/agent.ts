import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Session } from "hopguard";
import { guardTransport } from "hopguard/mcp";
import { guardOpenAI } from "hopguard/openai";
import OpenAI from "openai";
import type { Stage } from "./stage";

type ServerName = "tickets" | "crm" | "payments" | "payroll";

/** An MCP client of an agent: what may be used, and calls, whose denials are results that a model reads. */
export interface OpenServer {
  readonly tools: readonly string[];
  call(name: string, args: object): Promise<{ readonly text: string; readonly structuredContent?: unknown }>;
}

/** Opens a server as an agent; rejects where it may not. */
export async function openServer(
  { servers, clients }: Stage,
  session: Session,
  server: ServerName,
): Promise<OpenServer> {
  const client = new Client({ name: session.agent, version: "1.0.0" });
  clients.push(client);
  const transport = new StreamableHTTPClientTransport(new URL(servers[server].url));
  await client.connect(guardTransport(transport, session, { server }));
  const { tools } = await client.listTools();
  return {
    tools: tools.map(({ name }) => name),
    call: async (name, args) => {
      const result = await client.callTool({ name, arguments: { ...args } });
      const text = result.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
      return { ...result, text };
    },
  };
}

/** What a model calls first when it is given a task and the tool for it. */
export async function askModel(
  { provider }: Stage,
  session: Session,
  model: string,
  task: string,
): Promise<{ readonly name: string; readonly arguments: object }> {
  const client = new OpenAI({ apiKey: "none", baseURL: provider.openaiBaseURL });
  const openai = guardOpenAI(client, session, { tools: { refund_issue: { server: "payments" } } });
  const { choices } = await openai.chat.completions.create({
    model,
    messages: [{ role: "user", content: task }],
    tools: [{ type: "function", function: { name: "refund_issue", parameters: { type: "object" } } }],
  });
  const [call] = choices[0]?.message.tool_calls ?? [];
  if (call?.type !== "function")
    throw new Error(`the model called nothing: ${choices[0]?.message.content ?? ""}`);
  return { name: call.function.name, arguments: JSON.parse(call.function.arguments) as object };
}
