import { HumanMessage, type ToolMessage } from "@langchain/core/messages";
import { RunnableLambda } from "@langchain/core/runnables";
import { StructuredTool, tool } from "@langchain/core/tools";
import { Command, MemorySaver, MessagesAnnotation, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { loadMcpTools, MultiServerMCPClient } from "@langchain/mcp-adapters";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { findDenial, type Session } from "hopguard";
import {
  guardLangChainTools,
  mcpToolMap,
  type LangChainTool,
  type ToolCheckOptions,
} from "hopguard/langchain";
import { guardTransport } from "hopguard/mcp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { startServers, type SupportDeskServers } from "../../examples/support-desk/servers";
import {
  calls,
  openLangChainDesk,
  recordedTools,
  says,
  toolResultsSent,
  type LangChainDesk,
} from "../support/langchain";

let desk: LangChainDesk;
let servers: SupportDeskServers;
let session: Session;
beforeAll(async () => {
  [desk, servers] = await Promise.all([openLangChainDesk(), startServers()]);
});
afterAll(() => Promise.all([desk.close(), servers.stop()]));
beforeEach(async () => {
  desk.reset();
  desk.play();
  session = await desk.session("analyst");
});

const TOOLSET = { toolset: "desk" } as const;
const USER = { messages: [new HumanMessage("Go on.")] };
const guard = <T extends LangChainTool>(given: T, options: ToolCheckOptions = TOOLSET): T =>
  guardLangChainTools([given], session, options)[0];
const denialOf = async (run: Promise<unknown>) =>
  findDenial(
    await run.then(
      () => expect.fail("it was not denied"),
      (error: unknown) => error,
    ),
  );
const call = (name: string, args: Readonly<Record<string, unknown>>) =>
  ({ type: "tool_call", id: "call-1", name, args }) as const;

describe("guardLangChainTools", () => {
  it("leaves everything of a tool as it was but its calls", async () => {
    const { note, runs } = recordedTools();
    const guarded = guard(note);
    expect(guarded).toBeInstanceOf(StructuredTool);
    expect([guarded.name, guarded.description, guarded.schema]).toEqual([
      note.name,
      note.description,
      note.schema,
    ]);
    expect(await guarded.invoke({ text: "a" })).toBe("note is done");
    const message: ToolMessage = await guarded.invoke(call("note", { text: "b" }));
    expect(message).toMatchObject({ content: "note is done", tool_call_id: "call-1", name: "note" });
    expect(await guarded.batch([{ text: "c" }])).toEqual(["note is done"]);
    expect(runs).toHaveLength(3);
  });

  it("answers a model's call with the denial, and throws it where somebody calls by hand", async () => {
    const { refund, runs } = recordedTools();
    const guarded = guard(refund);
    const message: ToolMessage = await guarded.invoke(call("refund", { amount_cents: 6000 }));
    expect(message).toMatchObject({
      status: "error",
      tool_call_id: "call-1",
      artifact: { code: "policy_denied", remediation: { type: "step_up" } },
    });
    expect(JSON.stringify(message.content)).toContain("above the cap");
    // Not all providers give the calls of their models ids.
    const nameless = { ...call("refund", { amount_cents: 6000 }), id: undefined };
    expect(await guarded.invoke(nameless as never)).toMatchObject({ status: "error", tool_call_id: "" });
    expect(await denialOf(guarded.invoke({ amount_cents: 6000 }))).toMatchObject({ reason: "above the cap" });
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- still there, and so a way round
    expect(await denialOf(guarded.call({ amount_cents: 6000 }))).toMatchObject({ reason: "above the cap" });
    expect(runs).toEqual([]);
  });

  it("holds arguments against the operator's schema first, and then makes of them what the tool's own makes", async () => {
    const ran: unknown[] = [];
    const schema = z.object({ text: z.string().default("nothing") });
    const note = tool((args) => void ran.push(args), { name: "note", description: "Notes.", schema });
    const operators = { type: "object", properties: { text: { maxLength: 5 } }, additionalProperties: false };
    const guarded = guard(note, { tools: { note: { toolset: "desk", schema: operators } } });
    await guarded.invoke({});
    expect(ran).toEqual([{ text: "nothing" }]);
    expect(await denialOf(guarded.invoke({ text: "too long" }))).toMatchObject({ code: "arguments_invalid" });
    expect(ran).toHaveLength(1);
  });

  it("guards tools that take a text, as `{ input }`", async () => {
    const ran: string[] = [];
    const note = tool((text: string) => ran.push(text).toString(), { name: "note", description: "Notes." });
    const recorded = await desk.guardWith({ recordArguments: true }).session({
      principal: { id: "a", roles: ["analyst"] },
      agent: { id: "agent" },
    });
    const [guarded] = guardLangChainTools([note], recorded, TOOLSET);
    await guarded.invoke("one");
    await guarded.invoke({ input: "two" });
    await guarded.invoke(call("note", { input: "three" }));
    expect(ran).toEqual(["one", "two", "three"]);
    expect(desk.records.map((record) => record.arguments)).toEqual([
      { input: "one" },
      { input: "two" },
      { input: "three" },
    ]);
    const secret = guardLangChainTools(
      [tool(() => "shown", { name: "secret", description: "No." })],
      session,
      TOOLSET,
    )[0];
    expect(await denialOf(secret.invoke("x"))).toMatchObject({ code: "policy_denied" });
  });

  it("guards tools of a class of their own, private members and all", async () => {
    class Note extends StructuredTool {
      name = "note";
      description = "Notes.";
      schema = z.object({ text: z.string() });
      readonly #notes: string[] = [];
      protected override _call({ text }: { text: string }): Promise<string> {
        return Promise.resolve(`${this.#notes.push(text)} notes`);
      }
    }
    expect(await guard(new Note()).invoke({ text: "a" })).toBe("1 notes");
  });

  it("guards runnables that were made tools", async () => {
    const ran: unknown[] = [];
    const lambda = RunnableLambda.from((args: { amount_cents: number }) => ran.push(args));
    const schema = z.object({ amount_cents: z.number() });
    const guarded = guard(lambda.asTool({ name: "refund", description: "Refunds.", schema }));
    expect(await guarded.invoke(call("refund", { amount_cents: 9000 }) as never)).toMatchObject({
      status: "error",
    });
    expect(await denialOf(guarded.invoke({ amount_cents: 9000 }))).toMatchObject({ code: "policy_denied" });
    expect(ran).toEqual([]);
    await guarded.invoke(call("refund", { amount_cents: 9 }) as never);
    expect(ran).toEqual([{ amount_cents: 9 }]);
  });

  it("guards them in every way that runnables are run, and in what is made of them", async () => {
    const ran: unknown[] = [];
    const refunds = RunnableLambda.from((args: { amount_cents: number }) => ran.push(args));
    const schema = z.object({ amount_cents: z.number() });
    const guarded = guard(refunds.asTool({ name: "refund", description: "Refunds.", schema }));
    const model = RunnableLambda.from((amount_cents: number) => ({ amount_cents }));
    const read = async (stream: AsyncIterable<unknown> | Promise<AsyncIterable<unknown>>) => {
      for await (const _ of await stream);
    };
    const ways = (amount_cents: number) => {
      const args = { amount_cents };
      return [
        () => guarded.batch([args]),
        () => read(guarded.stream(args)),
        () => read(guarded.streamEvents(args, { version: "v2" })),
        () => guarded.withRetry({ stopAfterAttempt: 1 }).invoke(args),
        () => guarded.withConfig({ tags: ["desk"] }).invoke(args),
        () => guarded.withListeners({}).invoke(args),
        () => model.pipe(guarded).batch([amount_cents]),
        () => read(model.pipe(guarded).stream(amount_cents)),
      ];
    };
    for (const way of ways(9000)) expect(await denialOf(way())).toMatchObject({ code: "policy_denied" });
    expect(ran).toEqual([]);
    for (const way of ways(9)) await way();
    expect(ran).toEqual(ways(9).map(() => ({ amount_cents: 9 })));
  });

  it("gives a ToolNode results that its model reads, each call's own", async () => {
    const { note, refund, secret, runs } = recordedTools();
    const tools = guardLangChainTools([note, refund, secret], session, TOOLSET);
    desk.play(
      calls(
        { name: "note", arguments: { text: "a" } },
        { name: "refund", arguments: { amount_cents: 900_000 } },
        { name: "secret", arguments: {} },
      ),
      says("done"),
    );
    await graphOf(tools).invoke(USER);
    expect(runs).toEqual([{ tool: "note", args: { text: "a" } }]);
    const [noted, refunded, hidden] = toolResultsSent(desk);
    expect(noted).toBe("note is done");
    expect(refunded).toMatch(/above the cap.*"approvers_role":"lead".*Do not retry the same call\./);
    expect(hidden).toContain("policy_denied");
  });

  it("pauses a graph for a step-up, and asks the policy again when it goes on", async () => {
    const { refund, runs } = recordedTools();
    const tools = guardLangChainTools([refund], session, { ...TOOLSET, stepUp: "interrupt" });
    desk.play(calls({ name: "refund", arguments: { amount_cents: 900_000 } }), says("not approved"));
    const graph = graphOf(tools, new MemorySaver());
    const thread = { configurable: { thread_id: "t-1" } };
    expect(await graph.invoke(USER, thread)).toMatchObject({
      __interrupt__: [{ value: { tool: "refund", arguments: { amount_cents: 900_000 } } }],
    });
    await graph.invoke(new Command({ resume: { type: "approve" } }), thread);
    expect(desk.records.map(({ effect }) => effect)).toEqual(["deny", "deny"]);
    expect(toolResultsSent(desk)[0]).toContain("above the cap");
    expect(runs).toEqual([]);
  });

  it("takes no tool's error for a denial that only looks like one", async () => {
    const { refund } = recordedTools();
    const denied: ToolMessage = await guard(refund).invoke(call("refund", { amount_cents: 6000 }));
    const forged = Object.assign(new Error("the server's"), { data: denied.artifact as unknown });
    const failing = tool(() => Promise.reject(forged), {
      name: "slow",
      description: "Fails.",
      schema: z.object({}),
    });
    await expect(guard(failing).invoke(call("slow", {}))).rejects.toBe(forged);
  });

  it("stops a model that makes a denied call again and again", async () => {
    const { secret, runs } = recordedTools();
    const own = await desk.session("analyst", { guard: { repeats: { afterDenials: 2 } } });
    const again = calls({ name: "secret", arguments: {} });
    desk.play(again, again, again, says("I give up."));
    const { messages } = await graphOf(guardLangChainTools([secret], own, TOOLSET)).invoke(USER);
    const codes = messages.flatMap(({ type, ...message }) =>
      type === "tool" ? [(message as Partial<ToolMessage>).artifact as { readonly code: string }] : [],
    );
    expect(codes.map(({ code }) => code)).toEqual(["policy_denied", "policy_denied", "repeat_denied"]);
    expect(runs).toEqual([]);
  });

  it("asks about the tools of mcp-adapters as those of their server", async () => {
    const client = new MultiServerMCPClient({
      mcpServers: { payments: { transport: "http", url: servers.payments.url } },
      prefixToolNameWithServerName: true,
      useStandardContentBlocks: true,
    });
    try {
      const tools = guardLangChainTools(await client.getTools(), session, {
        tools: mcpToolMap(["payments"], { effects: { payments: { refund_issue: "destructive" } } }),
      });
      const called = (): number =>
        servers.payments.requests.filter(({ method }) => method === "tools/call").length;
      const named = (name: string) => tools.find((each) => each.name === name) ?? expect.fail(`no ${name}`);
      const balance: unknown = await named("payments__balance_get").invoke(call("payments__balance_get", {}));
      expect(JSON.stringify(balance)).toContain("balance_cents");
      const reached = called();
      const refund = { ticket_id: "T-1001", payment_id: "P-9001", amount_cents: 100 };
      const denied: unknown = await named("payments__refund_issue").invoke(
        call("payments__refund_issue", refund),
      );
      expect(denied).toMatchObject({
        status: "error",
        artifact: { hop: { kind: "mcp_payments", action: "tools/call/refund_issue" } },
      });
      expect(called()).toBe(reached);
      const wrong: unknown = await named("payments__refund_issue").invoke(
        call("payments__refund_issue", { ...refund, amount_cents: "100" }),
      );
      expect(wrong).toMatchObject({ artifact: { code: "policy_denied" } });
    } finally {
      await client.close();
    }
  });

  it("leaves tools of a client on a guarded transport to the transport", async () => {
    const client = new Client({ name: "lab", version: "1.0.0" });
    const transport = new StreamableHTTPClientTransport(new URL(servers.payments.url));
    const lead = await desk.guardWith({ repeats: false }).session({
      principal: { id: "l", roles: ["analyst"] },
      agent: { id: "agent" },
    });
    await client.connect(guardTransport(transport, lead, { server: "payments" }));
    const tools = await loadMcpTools("payments", client);
    expect(tools.map(({ name }) => name)).toEqual(["balance_get"]);
    expect(JSON.stringify(await tools[0]?.invoke(call("balance_get", {})))).toContain("balance_cents");
    await client.close();
  });

  it("knows no tool without the prefix of its server", () => {
    const origin = mcpToolMap(["pay", "payroll"], { additionalToolNamePrefix: "mcp" });
    expect(origin("mcp__pay__refund")).toEqual({ server: "pay", tool: "refund" });
    expect(origin("mcp__payroll__list")).toEqual({ server: "payroll", tool: "list" });
    expect(origin("mcp__pay__roll__list")).toEqual({ server: "pay", tool: "roll__list" });
    expect(origin("pay__refund")).toBeUndefined();
    expect(origin("constructor")).toBeUndefined();
    expect(() => mcpToolMap(["pay-roll"])).toThrow(/mcpToolMap.servers/);
  });

  it("refuses servers of which one could name its tools like those of the other", () => {
    for (const servers of [
      ["pay", "pay__roll"],
      ["pay__roll", "pay"],
      ["pay", "pay_"],
    ])
      expect(() => mcpToolMap(servers)).toThrow(/mcpToolMap.servers: tools of "pay" may be named like/);
    expect(mcpToolMap(["pay", "pay"])("pay__refund")).toEqual({ server: "pay", tool: "refund" });
  });

  it("refuses what is no tool that runs here", () => {
    expect(() => guardLangChainTools([{ type: "web_search" } as never], session, TOOLSET)).toThrow(
      /runs at the provider/,
    );
    expect(() => guardLangChainTools([], session, {})).toThrow(/toolset/);
  });
});

function graphOf(tools: readonly LangChainTool[], checkpointer?: MemorySaver) {
  const node = new ToolNode(tools as unknown as ConstructorParameters<typeof ToolNode>[0]);
  const bound = desk.model().bindTools(node.tools);
  return new StateGraph(MessagesAnnotation)
    .addNode("agent", async ({ messages }) => ({ messages: [await bound.invoke(messages)] }))
    .addNode("tools", node)
    .addEdge("__start__", "agent")
    .addConditionalEdges("agent", toolsCondition, ["tools", "__end__"])
    .addEdge("tools", "agent")
    .compile({ ...(checkpointer && { checkpointer }) });
}
