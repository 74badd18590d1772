import { Agent, MCPServerStreamableHttp, type MCPServer } from "@openai/agents";
import { findDenial, type AuthorizationDetails, type Denial, type Session } from "hopguard";
import { guardAgent, type GuardAgentOptions } from "hopguard/openai-agents";
import OpenAI from "openai";
import type { ServerName } from "../support-desk/desk";
import type { RefundScene } from "../support-desk/refund-scene";

/** An agent that may be run, with its servers open. */
export interface OpenedAgent {
  readonly agent: Agent;
  /** Of the servers that may not be opened. */
  readonly denials: readonly Denial[];
  readonly close: () => Promise<void>;
}

/** Up to 45 dollars, on the ticket of the task: less than the user may refund. */
const FOR_REFUNDS: readonly AuthorizationDetails[] = [
  { type: "llm_model", identifier: "gpt-4o", actions: ["completion"] },
  { type: "mcp_tickets", actions: ["tools/call/ticket_comment"] },
  {
    type: "mcp_payments",
    actions: ["tools/call/refund_issue"],
    constraints: {
      "arguments.ticket_id": { enum: ["T-1001"] },
      "arguments.amount_cents": { maximum: 4500 },
    },
  },
];

const server = ({ servers }: RefundScene, name: ServerName): MCPServer =>
  new MCPServerStreamableHttp({ name, url: servers[name].url });

/** An agent with tools of MCP servers. */
export const worker = (
  scene: RefundScene,
  name: string,
  servers: readonly ServerName[],
  model = "gpt-4o",
): Agent => new Agent({ name, model, mcpServers: servers.map((each) => server(scene, each)) });

/** An agent that does nothing itself, and hands refunds to one that does nothing else. */
export const frontDesk = (scene: RefundScene): Agent =>
  new Agent({
    name: "Front desk",
    model: "gpt-4o",
    handoffs: [worker(scene, "Refunds", ["payments", "tickets"])],
  });

/** Guards an agent and those behind it, and opens what servers they may open. */
export async function open(
  { provider }: RefundScene,
  session: Session,
  given: Agent,
  options: Partial<GuardAgentOptions> = {},
): Promise<OpenedAgent> {
  const handsOver = given.handoffs.length > 0;
  const agent = guardAgent(given, session, {
    models: new OpenAI({ apiKey: "none", baseURL: provider.openaiBaseURL }),
    api: "chat",
    tools: { refund_issue: { server: "payments", effect: "destructive" } },
    ...(handsOver && { agents: { Refunds: { agent: "refunds", authorization_details: FOR_REFUNDS } } }),
    ...options,
  });
  const opened: MCPServer[] = [];
  const denials: Denial[] = [];
  for (const each of serversOf(agent)) {
    try {
      await each.connect();
      opened.push(each);
    } catch (error) {
      const denial = findDenial(error);
      if (!denial) throw error;
      denials.push(denial);
    }
  }
  return {
    agent,
    denials,
    close: async () => {
      await Promise.all(opened.map((each) => each.close()));
    },
  };
}

function serversOf(agent: Agent): MCPServer[] {
  const behind = agent.handoffs.map((handoff) => ("agent" in handoff ? handoff.agent : handoff) as Agent);
  return [agent, ...behind].flatMap(({ mcpServers }) => mcpServers);
}
