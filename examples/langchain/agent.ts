import { MemorySaver } from "@langchain/langgraph";
import { MultiServerMCPClient } from "@langchain/mcp-adapters";
import { ChatOpenAI } from "@langchain/openai";
import type { Session, ToolEffect } from "hopguard";
import { guardFetch } from "hopguard/fetch";
import { hopguardMiddleware, type ToolCheckOptions } from "hopguard/langchain";
import { createAgent } from "langchain";
import type { RefundScene } from "../support-desk/refund-scene";

const SERVERS = ["tickets", "crm", "payments", "payroll"] as const;
/** What the tools do, as the desk's operator sees it. */
const EFFECTS: Readonly<Record<string, ToolEffect>> = { refund_issue: "destructive" };

/** An agent of LangChain with the tools of the MCP servers that its session may open. */
export async function openAgent(
  { servers, provider }: RefundScene,
  session: Session,
  { model = "gpt-4o", stepUp = "tell" }: { readonly model?: string } & Pick<ToolCheckOptions, "stepUp"> = {},
) {
  const opened: (typeof SERVERS)[number][] = [];
  // The adapters open whatever they are given, so that is asked first.
  for (const server of SERVERS) {
    const decision = await session.check({
      kind: `mcp_${server}`,
      action: "initialize",
      attr: { transport: "http" },
    });
    if (decision.effect === "deny") continue;
    opened.push(server);
    decision.settle("done");
  }
  const client = new MultiServerMCPClient({
    mcpServers: Object.fromEntries(
      opened.map((server) => [server, { transport: "http" as const, url: servers[server].url }]),
    ),
  });
  const loaded = await Promise.all(
    opened.map(async (server) => (await client.getTools(server)).map((tool) => ({ server, tool }))),
  );
  const serverOf = new Map(loaded.flat().map(({ server, tool }) => [tool.name, server]));

  const agent = createAgent({
    model: new ChatOpenAI({
      model,
      apiKey: "none",
      configuration: {
        baseURL: provider.openaiBaseURL,
        fetch: guardFetch(session, { baseURL: provider.openaiBaseURL }),
      },
    }),
    tools: loaded.flat().map(({ tool }) => tool),
    checkpointer: new MemorySaver(),
    middleware: [
      hopguardMiddleware(session, {
        tools: (name) => {
          const server = serverOf.get(name);
          return server && { server, ...(EFFECTS[name] && { effect: EFFECTS[name] }) };
        },
        // The model's own fetch is guarded.
        models: "pass",
        stepUp,
      }),
    ],
  });
  const thread = { configurable: { thread_id: session.id } };
  return {
    toolNames: [...serverOf.keys()],
    /** Works on a task, or, with LangGraph's `Command`, goes on after a pause. */
    work: (input: Parameters<typeof agent.invoke>[0] | string) =>
      agent.invoke(
        typeof input === "string" ? { messages: [{ role: "user", content: input }] } : input,
        thread,
      ),
    close: () => client.close(),
  };
}
