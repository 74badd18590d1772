import type { Agent, MCPServer } from "@openai/agents";
import { findDenial, type Session } from "hopguard";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RunningMcpServer } from "../../examples/support-desk/servers/mcp-http";
import type { Turn, TurnRequest } from "../../examples/shared/local-provider";
import { openDesk, type Desk } from "../support/desk";
import { rejection } from "../support/model-sdks";
import { agentsLines } from "../support/openai-agents";
import { agentPolicies } from "../support/openai-agents-policies";
import { rawText, rawTool, startRawMcpServer } from "../support/raw-mcp-server";

const lines = await agentsLines();
const amount = {
  inputSchema: {
    type: "object",
    properties: { amount_cents: { type: "integer" } },
    required: ["amount_cents"],
    additionalProperties: false,
  },
};

let desk: Desk;
let session: Session;
let upstream: RunningMcpServer;
let turns: (Turn | (() => Turn | Promise<Turn>))[];
let asked: TurnRequest[];
/** What the server lists. */
let tools: ReturnType<typeof rawTool>[];

beforeAll(async () => {
  [desk, upstream] = await Promise.all([
    openDesk({
      policies: agentPolicies,
      provider: {
        turn: (request) => {
          asked.push(request);
          const turn = turns.shift() ?? { text: "Done." };
          return typeof turn === "function" ? turn() : turn;
        },
      },
    }),
    startRawMcpServer(({ method, params }) =>
      method === "tools/list" ? { tools } : rawText(`${String(params?.name)} is done`),
    ),
  ]);
});
afterAll(() => Promise.all([desk.close(), upstream.stop()]));
beforeEach(async () => {
  desk.reset();
  upstream.reset();
  [turns, asked] = [[], []];
  tools = [
    rawTool("erase"),
    rawTool("lookup"),
    rawTool("read.one"),
    rawTool("refund", amount),
    rawTool("unlisted"),
  ];
  session = await desk.session("analyst");
});

const calls = (...toolCalls: [string, unknown?][]) =>
  turns.push({ toolCalls: toolCalls.map(([name, args = {}]) => ({ name, arguments: args })) });
const read = (): string[] => asked.at(-1)?.toolResults.map(({ text }) => text) ?? [];
const reached = () =>
  upstream.requests.filter(({ method }) => method === "tools/call").map(({ tool }) => tool);

describe.each(lines)("MCP servers of agents of $line", ({ sdk, OpenAI, adapter: { guardAgent } }) => {
  const open: MCPServer[] = [];
  beforeEach(() => async () => {
    await Promise.all(open.splice(0).map((server) => server.close()));
  });

  const server = (name = "lab", more: object = {}): MCPServer =>
    new sdk.MCPServerStreamableHttp({ name, url: upstream.url, ...more });
  const guarded = async (servers: MCPServer[], more: object = {}): Promise<Agent> => {
    const agent = guardAgent(
      new sdk.Agent({ name: "Desk", model: "gpt-4o-mini", mcpServers: servers }),
      session,
      {
        models: new OpenAI({ apiKey: "none", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 }),
        tools: {},
        ...more,
      },
    );
    for (const each of agent.mcpServers) {
      await each.connect();
      open.push(each);
    }
    return agent;
  };

  it("show the model what it may use, and run what is allowed, by the server's own names", async () => {
    calls(["lookup", { text: "a" }], ["read_one"]);
    await sdk.run(await guarded([server()]), "Go on.");
    expect(asked[0]?.tools).toEqual(["lookup", "read_one", "refund"]);
    expect([...reached()].sort()).toEqual(["lookup", "read.one"]);
    expect(read().join()).toContain("lookup is done");
    expect(desk.records.map(({ hop }) => `${hop.kind} ${hop.action}`)).toContain(
      "mcp_lab tools/call/read.one",
    );
  });

  it("are decided by the tool that runs, whatever a list of another run has named meanwhile", async () => {
    const agent = await guarded([server()]);
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    // The second run lists the tools while the model of the first still thinks.
    turns.push(async () => {
      await released;
      return { toolCalls: [{ name: "read_one", arguments: {} }] };
    });
    const first = sdk.run(agent, "Go on.");
    await expect.poll(() => asked.length).toBe(1);
    tools = [rawTool("read_one")];
    await sdk.run(agent, "Go on.");
    release();
    await first;
    expect(reached()).toEqual(["read.one"]);
    expect(desk.records.map(({ hop, effect }) => `${effect} ${hop.action}`)).toContain(
      "allow tools/call/read.one",
    );
    expect(desk.records.map(({ hop }) => hop.action)).not.toContain("tools/call/read_one");
  });

  it("receive no call that is denied, and the model reads why", async () => {
    const [large, text, more] = [
      { amount_cents: 9000 },
      { amount_cents: "9000" },
      { amount_cents: 9, to: "DE00" },
    ];
    calls(["erase"], ["refund", large], ["refund", text], ["refund", more]);
    await sdk.run(await guarded([server()], { stepUp: "deny" }), "Go on.");
    expect(reached()).toEqual([]);
    const [erased, tooMuch, untyped, unlisted] = read();
    expect(erased).toContain("nothing is erased here");
    expect(tooMuch).toContain("refund cap exceeded");
    expect(untyped).toContain("arguments_invalid");
    // The server forbids other members, which the SDK's schema for the model would let pass.
    expect(unlisted).toContain("arguments_invalid");
  });

  it("take no arguments that they did not take when they were first listed", async () => {
    turns.push(() => {
      tools = tools.map((each) => (each.name === "refund" ? rawTool("refund") : each));
      return { toolCalls: [{ name: "lookup", arguments: {} }] };
    });
    calls(["refund", { amount_cents: 100, to: "DE00 1234" }]);
    const agent = await guarded([server()]);
    await sdk.run(agent, "Go on.");
    expect(reached()).toEqual(["lookup"]);
    expect(read().at(-1)).toContain("arguments_invalid");
  });

  it("interrupt the run for a step-up, and are asked about again", async () => {
    calls(["refund", { amount_cents: 9000 }]);
    const agent = await guarded([server()]);
    const { state, interruptions } = await sdk.run(agent, "Go on.");
    expect(interruptions).toHaveLength(1);
    state.approve(interruptions[0] as never);
    await sdk.run(agent, state);
    expect(reached()).toEqual([]);
    expect(read()[0]).toContain("refund cap exceeded");
  });

  it("are not opened where policies deny it: no byte is sent", async () => {
    const denial = findDenial(await rejection(guarded([server("closed")])));
    expect(denial).toMatchObject({ reason: "closed for everybody", hop: { action: "initialize" } });
    expect(upstream.httpRequests).toBe(0);
  });

  it("show nothing where they were opened before, and may not be", async () => {
    const closed = server("Closed for all");
    await closed.connect();
    open.push(closed);
    const agent = guardAgent(
      new sdk.Agent({ name: "Desk", model: "gpt-4o-mini", mcpServers: [closed] }),
      session,
      {
        models: new OpenAI({ apiKey: "none", baseURL: desk.provider.openaiBaseURL }),
        tools: {},
        mcpServers: { "Closed for all": "closed" },
      },
    );
    await sdk.run(agent, "Go on.");
    expect(asked[0]?.tools).toEqual([]);
  });

  it("keep the filters that they have", async () => {
    const agent = await guarded(
      [
        server("lab", { toolFilter: { blockedToolNames: ["lookup"] } }),
        server("Other", {
          toolFilter: (_context: unknown, { name }: { name: string }) => Promise.resolve(name === "lookup"),
        }),
      ],
      { mcpServers: { Other: "lab" } },
    );
    await sdk.run(agent, "Go on.");
    expect(asked[0]?.tools).toEqual(["read_one", "refund", "lookup"]);
  });

  it("take the operator's word on a tool", async () => {
    calls(["lookup", { text: "a" }], ["lookup", { ticket: "T-1" }]);
    const schema = { type: "object", required: ["ticket"] };
    await sdk.run(await guarded([server()], { tools: { lookup: { server: "lab", schema } } }), "Go on.");
    expect(read()[0]).toContain("arguments_invalid");
    expect(reached()).toEqual(["lookup"]);
  });

  it("of an agent that work is handed to are guarded too", async () => {
    calls(["transfer_to_Billing"]);
    calls(["erase"], ["lookup"]);
    const lab = server();
    const billing = new sdk.Agent({ name: "Billing", model: "gpt-4o-mini", mcpServers: [lab] });
    await lab.connect();
    open.push(lab);
    const agent = guardAgent(
      new sdk.Agent({ name: "Desk", model: "gpt-4o-mini", handoffs: [billing] }),
      session,
      {
        models: new OpenAI({ apiKey: "none", baseURL: desk.provider.openaiBaseURL }),
        tools: {},
        agents: { Billing: { agent: "billing" } },
      },
    );
    await sdk.run(agent, "Go on.");
    expect(reached()).toEqual(["lookup"]);
    expect(read()[0]).toContain("nothing is erased here");
  });
});
