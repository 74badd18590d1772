import { StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { Session } from "hopguard";
import { findDenial } from "hopguard";
import { guardProvider, guardTools } from "hopguard/ai-sdk";
import { guardTransport } from "hopguard/mcp";
import type { ToolSet } from "ai";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { RunningMcpServer } from "../../examples/support-desk/servers/mcp-http";
import { ABOVE_CAP, calls, openAiLab, type AiLab } from "../support/ai-lab";
import { aiLines, aiSdkMcp } from "../support/ai-sdks";
import { rejection } from "../support/model-sdks";
import { rawText, rawTool, startRawMcpServer } from "../support/raw-mcp-server";

let lab: AiLab;
let analyst: Session;
let server: RunningMcpServer;

const inputSchema = {
  type: "object",
  properties: { amount_cents: { type: "integer" } },
  required: ["amount_cents"],
};

beforeAll(async () => {
  [lab, server] = await Promise.all([
    openAiLab(),
    startRawMcpServer(({ method }) =>
      method === "tools/list"
        ? { tools: [rawTool("refund", { inputSchema }), rawTool("wipe")] }
        : rawText("done"),
    ),
  ]);
  analyst = await lab.analyst();
});
afterAll(() => Promise.all([lab.close(), server.stop()]));
beforeEach(() => lab.reset());

const httpTransport = () => new StreamableHTTPClientTransport(new URL(server.url));
const reached = () => server.requests.filter(({ method }) => method === "tools/call");

describe.each(aiLines)("MCP tools of the AI SDK under $line", ({ ai, createOpenAI }) => {
  /** Opens the server as the SDK does, and lists its tools. */
  const open = async (transport: object): Promise<ToolSet> => {
    const client = await aiSdkMcp.createMCPClient({ transport: transport as never });
    onTestFinished(() => client.close());
    return client.tools() as Promise<ToolSet>;
  };
  const work = (tools: ToolSet) => {
    lab.play(calls(["refund", { amount_cents: 900_000 }], ["refund", { amount_cents: 4000 }]));
    const openai = guardProvider(
      createOpenAI({ apiKey: "none", baseURL: lab.provider.openaiBaseURL }),
      analyst,
    );
    return ai.generateText({
      ...{ model: openai.chat("gpt-4o-mini"), prompt: "Refund it.", tools, stopWhen: ai.stepCountIs(2) },
    });
  };

  it("are decided at a guarded transport, which shows what may be used", async () => {
    const before = reached().length;
    const tools = await open(guardTransport(httpTransport(), analyst, { server: "payments" }));
    expect(Object.keys(tools)).toEqual(["refund"]);
    await work(tools);
    expect(reached().slice(before)).toMatchObject([{ arguments: { amount_cents: 4000 } }]);
    expect(lab.read(1).join()).toContain(ABOVE_CAP);
  });

  it("are decided as tools of their server by the map", async () => {
    const before = reached().length;
    const server = "payments";
    const tools = guardTools(await open(httpTransport()), analyst, { tools: { refund: { server } } });
    await work(tools);
    expect(reached().slice(before)).toMatchObject([{ arguments: { amount_cents: 4000 } }]);
    expect(lab.read(1).join()).toContain(ABOVE_CAP);
    expect(lab.records.map(({ hop }) => hop.kind)).toContain("mcp_payments");
  });

  it("are not to be had of a server that may not be opened", async () => {
    const before = server.requests.length;
    const denied = await rejection(open(guardTransport(httpTransport(), analyst, { server: "payroll" })));
    expect(findDenial(denied)?.hop).toMatchObject({ name: "payroll", action: "initialize" });
    expect(server.requests).toHaveLength(before);
  });
});
