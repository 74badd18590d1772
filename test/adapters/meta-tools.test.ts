import { ApprovalRequiredError, AuthorizationDeniedError, findDenial, type Session } from "hopguard";
import { guardTransport, type GuardTransportOptions, type InnerCall, type MetaTool } from "hopguard/mcp";
import { guardTools, type GuardToolsOptions } from "hopguard/tools";
import { InMemoryTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { countingPdp } from "../support/other-pdps";
import { openDesk, type Desk } from "../support/desk";
import { MCP_CLIENTS } from "../support/mcp-clients";
import { denialOf } from "../support/model-sdks";
import type { Policy, Rule } from "../support/policies";
import { rawText, rawTool, startRawMcpServer } from "../support/raw-mcp-server";

const allow = (actions: readonly string[], expr?: string): Rule => ({
  actions,
  effect: "EFFECT_ALLOW",
  roles: ["user"],
  ...(expr !== undefined && { condition: { match: { expr } } }),
});
const call = (...tools: string[]) => tools.map((tool) => `tools/call/${tool}`);
const calls: readonly Rule[] = [
  allow(call("run_tool", "batch", "loop", "echo", "unlisted", "open", "constructor")),
  allow(call("spend"), "R.attr.arguments.amount <= 10"),
  allow(call("tidy"), 'R.attr.effect == "write"'),
];
const policies: readonly Policy[] = [
  { kind: "mcp_lab", rules: [allow(["initialize", "tools/list"]), ...calls] },
  { kind: "mcp_bank", rules: [allow(call("transfer"), "R.attr.arguments.amount <= 5")] },
  {
    kind: "tool_lab",
    rules: [
      ...calls,
      {
        ...allow(call("approve"), "R.attr.arguments.amount <= 1"),
        output: {
          when: {
            conditionNotMet:
              '{"reason": "Ask a lead.", "remediation": {"type": "step_up", "approvers_role": "lead"}}',
          },
        },
      },
    ],
  },
];

let desk: Desk;
let user: Session;

beforeAll(async () => {
  desk = await openDesk({ policies });
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  user = await desk.session("user");
});

const runTool: MetaTool = ({ name, args, server }) => ({
  tool: name as string,
  ...(args !== undefined && { arguments: args }),
  ...(server !== undefined && { server: server as string }),
});
const metaTools: Readonly<Record<string, MetaTool>> = {
  run_tool: runTool,
  batch: ({ calls }) => calls as unknown as readonly InnerCall[],
};

const listed = [
  rawTool("run_tool", {
    inputSchema: {
      type: "object",
      properties: { name: { type: "string" }, args: {}, server: { type: "string" } },
      required: ["name"],
    },
  }),
  rawTool("batch", { inputSchema: { type: "object", properties: { calls: { type: "array" } } } }),
  rawTool("loop"),
  rawTool("echo"),
  rawTool("constructor"),
  rawTool("forbidden"),
  rawTool("tidy"),
  rawTool("open", { inputSchema: { type: "object" } }),
  rawTool("spend", { inputSchema: { type: "object", properties: { amount: { type: "number" } } } }),
];

describe.each(MCP_CLIENTS)("a meta tool on an MCP server, with $name", ({ connect }) => {
  async function open(options: Partial<GuardTransportOptions> = {}) {
    let changed = false;
    const server = await startRawMcpServer(({ method }) => {
      if (method !== "tools/list") return rawText("done");
      return { tools: changed ? listed.map((tool) => ({ ...tool, title: "Another" })) : listed };
    });
    onTestFinished(() => server.stop());
    const client = await connect(server.url, user, { server: "lab", metaTools, ...options });
    return {
      /** The denial that a call was answered with. */
      denial: async (name: string, args: Record<string, unknown>) =>
        findDenial(await client.callTool({ name, arguments: args }).catch((error: unknown) => error)),
      list: () => client.listTools(),
      change: () => void (changed = true),
      reached: () => server.requests.filter(({ method }) => method === "tools/call"),
    };
  }

  it("is called where both it and what it calls are allowed, as it was", async () => {
    const lab = await open();
    const args = { name: "spend", args: { amount: 10 } };
    expect(await lab.denial("run_tool", args)).toBeUndefined();
    expect(lab.reached()).toEqual([{ method: "tools/call", tool: "run_tool", arguments: args }]);
    const actions = desk.records.filter(({ hop }) => hop.action.startsWith("tools/call/"));
    expect(actions.map(({ effect, hop }) => [effect, hop.action]).sort()).toEqual([
      ["allow", "tools/call/run_tool"],
      ["allow", "tools/call/spend"],
    ]);
  });

  it.each<[string, Record<string, unknown>, object]>([
    ["is not allowed", { name: "forbidden", args: {} }, { code: "policy_denied" }],
    ["is allowed with less", { name: "spend", args: { amount: 11 } }, { code: "policy_denied" }],
    ["is allowed for another effect", { name: "tidy", args: {} }, { code: "policy_denied" }],
    ["wants other types", { name: "spend", args: { amount: "11" } }, { code: "arguments_invalid" }],
    ["has no types", { name: "open", args: { path: "x" } }, { code: "arguments_invalid" }],
    ["nobody has listed", { name: "unlisted", args: { path: "x" } }, { code: "arguments_invalid" }],
    ["has a name of its own kind", { name: "spend*", args: {} }, { code: "unsupported_hop" }],
  ])("is denied with the denial of what it calls, which %s", async (_what, args, denial) => {
    const lab = await open();
    expect(await lab.denial("run_tool", args)).toMatchObject({
      ...denial,
      hop: { kind: "mcp_lab", action: `tools/call/${String(args.name)}` },
    });
    expect(lab.reached()).toEqual([]);
  });

  it("is denied as a whole when one of many is", async () => {
    const lab = await open({ effects: { tidy: "write" } });
    const calls = [{ tool: "echo" }, { tool: "spend", arguments: { amount: 1 } }, { tool: "tidy" }];
    expect(await lab.denial("batch", { calls })).toBeUndefined();
    expect(await lab.denial("batch", { calls: [...calls, { tool: "forbidden" }] })).toMatchObject({
      code: "policy_denied",
      hop: { action: "tools/call/forbidden" },
    });
    expect(lab.reached()).toHaveLength(1);
  });

  it("may call meta tools, which are read further", async () => {
    const lab = await open();
    const nested = (amount: number) => ({
      calls: [{ tool: "run_tool", arguments: { name: "spend", args: { amount } } }],
    });
    expect(await lab.denial("batch", nested(10))).toBeUndefined();
    expect(await lab.denial("batch", nested(11))).toMatchObject({ hop: { action: "tools/call/spend" } });
    expect(lab.reached()).toHaveLength(1);
  });

  it("is denied with definition_changed when what it calls has changed", async () => {
    const lab = await open();
    await lab.list();
    lab.change();
    await lab.list();
    expect(await lab.denial("run_tool", { name: "echo" })).toMatchObject({ code: "definition_changed" });
    expect(lab.reached()).toEqual([]);
  });

  it("goes by the operator's schema of what it calls, and sends nothing that the schema would have changed", async () => {
    const schemas = { spend: z.object({ amount: z.coerce.number() }) };
    const lab = await open({ schemas });
    const spend = (args: object) => lab.denial("run_tool", { name: "spend", args });
    expect(await spend({ amount: 9 })).toBeUndefined();
    for (const args of [{ amount: "9" }, { amount: 9, note: "x" }]) {
      const denial = await spend(args);
      expect(denial).toMatchObject({ code: "arguments_invalid", hop: { action: "tools/call/spend" } });
      expect(denial?.reason).toContain("as the schema makes them");
    }
    expect(lab.reached()).toHaveLength(1);
  });

  it("may be told what is untyped, and what is on another server", async () => {
    const lab = await open({ untyped: "allow" });
    expect(await lab.denial("run_tool", { name: "unlisted", args: { path: "x" } })).toBeUndefined();
    const transfer = (amount: number) => ({ name: "transfer", args: { amount }, server: "bank" });
    expect(await lab.denial("run_tool", transfer(5))).toBeUndefined();
    expect(await lab.denial("run_tool", transfer(6))).toMatchObject({
      code: "policy_denied",
      hop: { kind: "mcp_bank", action: "tools/call/transfer" },
    });
    expect(lab.reached()).toHaveLength(2);
    const strict = await open();
    expect(await strict.denial("run_tool", transfer(5))).toMatchObject({
      code: "arguments_invalid",
      hop: { kind: "mcp_bank" },
    });
    expect(strict.reached()).toEqual([]);
  });
});

describe("the mapping of a meta tool", () => {
  /** A tool that is mapped so: the denial, and whether it ran. */
  async function mapped(metaTool: unknown, args: object = {}, more: Partial<GuardToolsOptions> = {}) {
    let ran = 0;
    const tools = {
      loop: (_args: object) => ++ran,
      echo: { inputSchema: z.object({ text: z.string() }), execute: () => "echoed" },
      batch: () => ++ran,
    };
    const guarded = guardTools(tools, user, {
      toolset: "lab",
      metaTools: { loop: metaTool as MetaTool, batch: ({ calls }) => calls as never },
      schemas: { loop: z.looseObject({}), batch: z.looseObject({}) },
      ...more,
      denials: "throw",
    });
    const error = await guarded.loop(args).catch((error: unknown) => error);
    return { denial: findDenial(error), ran };
  }

  const echo = (args: unknown) => ({ tool: "echo", arguments: args });
  it.each<[string, unknown]>([
    ["undefined", () => undefined],
    ["nothing", () => []],
    ["null", () => null],
    ["text", () => "echo"],
    [
      "a throw",
      () => {
        throw new Error("no");
      },
    ],
    ["no tool", () => ({ arguments: {} })],
    ["a tool that is no name", () => ({ tool: ["echo"] })],
    ["a misspelt member", () => ({ tool: "echo", args: { text: "x" } })],
    ["two owners", () => ({ tool: "echo", server: "lab", toolset: "lab" })],
    ["a server that no policy could name", () => ({ tool: "echo", server: "pay-roll" })],
    ["a promise", () => Promise.resolve(echo({ text: "x" }))],
    ["one good and one bad", () => [echo({ text: "x" }), undefined]],
    ["a list in a list", () => [[[echo({ text: "x" })]]]],
    ["arguments that are no JSON", () => echo({ text: 1n })],
    ["text with a member twice", () => echo('{"text":"x","text":"y"}')],
    ["text that is no JSON", () => echo("{text: x}")],
    ["a prototype", () => echo(JSON.parse('{"text":"x","__proto__":{"a":1}}'))],
  ])("denies what it has no answer for: %s", async (_what, metaTool) => {
    const { denial, ran } = await mapped(metaTool);
    expect(denial).toMatchObject({ code: "arguments_invalid", hop: { action: "tools/call/loop" } });
    expect(denial?.reason).toBe("arguments: must say which tool is to be called, and with what.");
    expect(ran).toBe(0);
  });

  it.each<[string, unknown]>([
    ["null", () => echo(null)],
    ["a list", () => echo([])],
    ["text that is a list", () => echo("[]")],
    ["a number", () => echo(7)],
  ])("denies what is called with %s", async (_what, metaTool) => {
    const { denial, ran } = await mapped(metaTool);
    expect(denial).toMatchObject({ code: "arguments_invalid", hop: { action: "tools/call/echo" } });
    expect(ran).toBe(0);
  });

  it("reads JSON text strictly, and what is called is allowed by it", async () => {
    expect(await mapped(() => echo('{"text":"x"}'))).toEqual({ denial: undefined, ran: 1 });
    expect((await mapped(() => echo('{"text":1}'))).denial).toMatchObject({ code: "arguments_invalid" });
  });

  it("ends in a denial where it goes round in a circle, or to too many tools", async () => {
    const circle = await mapped(() => ({ tool: "loop" }));
    expect(circle.denial).toMatchObject({ code: "arguments_invalid", hop: { action: "tools/call/loop" } });
    const twice = await mapped(() => [{ tool: "loop" }, { tool: "loop" }]);
    expect(twice.denial).toMatchObject({ code: "arguments_invalid" });
    const many = await mapped(() => Array.from({ length: 101 }, () => echo({ text: "x" })));
    expect(many.denial).toMatchObject({ code: "arguments_invalid" });
    expect(circle.ran + twice.ran + many.ran).toBe(0);
  });

  it("is given the arguments as the schema made them, frozen, and they are what the tool runs with", async () => {
    let seen: unknown;
    let ran: unknown;
    const given = { name: "echo", text: { toString: () => "x" } };
    const { run_tool } = guardTools(
      {
        run_tool: {
          inputSchema: z.object({ name: z.string().default("echo"), at: z.coerce.number() }),
          execute: (args: unknown) => (ran = args),
        },
        echo: { inputSchema: z.object({ text: z.string() }), execute: () => "echoed" },
      },
      user,
      {
        toolset: "lab",
        metaTools: {
          run_tool: (args) => {
            seen = args;
            return echo({ text: "x" });
          },
        },
      },
    );
    const running = run_tool.execute({ ...given, at: "7" });
    given.name = "forbidden";
    await running;
    expect(seen).toEqual({ name: "echo", at: 7 });
    expect(Object.isFrozen(seen)).toBe(true);
    expect(ran).toEqual(seen);
  });

  it("is not asked for arguments that the schema refuses", async () => {
    let asked = 0;
    const { denial, ran } = await mapped(
      () => {
        asked++;
        return echo({ text: "x" });
      },
      { amount: "9" },
      { schemas: { loop: z.object({ amount: z.number() }), batch: z.looseObject({}) } },
    );
    expect(denial).toMatchObject({ code: "arguments_invalid", hop: { action: "tools/call/loop" } });
    expect([asked, ran]).toEqual([0, 0]);
  });

  it("is the operator's: a wrong one fails at once", () => {
    const [near] = InMemoryTransport.createLinkedPair();
    const transport = (given: object) => () =>
      guardTransport(near, user, { server: "lab", metaTools: given as never });
    expect(transport({ run_tool: "echo" })).toThrow("guardTransport.metaTools.run_tool");
    expect(transport({ "run tool": runTool })).toThrow("guardTransport.metaTools.run tool");
    const tools = (given: object) => () =>
      guardTools({ echo: () => 1 }, user, { toolset: "lab", metaTools: given as never });
    expect(tools({ echo: { tool: "echo" } })).toThrow("guardTools.metaTools.echo");
    expect(tools({ run_tool: runTool })).toThrow('guardTools.metaTools: there is no tool "run_tool"');
  });
});

describe("a meta tool of a toolset", () => {
  const options = { toolset: "lab", metaTools: { run_tool: runTool } } as const;
  const run = z.object({ name: z.string(), args: z.unknown().optional(), server: z.string().optional() });
  const amount = z.object({ amount: z.number() });
  let ran: unknown[];
  beforeEach(() => {
    ran = [];
  });
  const tools = {
    run_tool: { inputSchema: run, execute: (args: z.infer<typeof run>) => void ran.push(args) },
    spend: { inputSchema: amount, execute: (args: { amount: number }) => void ran.push(args) },
    approve: { inputSchema: amount, execute: (args: { amount: number }) => void ran.push(args) },
    tidy: { inputSchema: z.object({}), execute: () => void ran.push("tidied") },
    forbidden: { inputSchema: z.object({}), execute: () => void ran.push("forbidden") },
  };

  it("runs where both it and what it calls are allowed, and throws the denial of what it calls", async () => {
    const { run_tool } = guardTools(tools, user, { ...options, effects: { tidy: "write" } });
    const spend = (amount: unknown) => ({ name: "spend", args: { amount } });
    await run_tool.execute(spend(10));
    await run_tool.execute(JSON.stringify(spend(9)) as never);
    await run_tool.execute({ name: "tidy" });
    expect(ran).toHaveLength(3);
    for (const [args, denial] of [
      [spend(11), { code: "policy_denied" }],
      [spend("9"), { code: "arguments_invalid" }],
      [{ name: "forbidden" }, { code: "policy_denied" }],
      [{ name: "unlisted" }, { code: "arguments_invalid" }],
      [{ name: "toString" }, { code: "policy_denied" }],
    ] as const) {
      expect(await denialOf(run_tool.execute(args))).toMatchObject({
        ...denial,
        hop: { kind: "tool_lab", action: `tools/call/${args.name}` },
      });
    }
    expect(ran).toHaveLength(3);
  });

  it("says that an approval would help, where it would help what it calls", async () => {
    const { run_tool } = guardTools(tools, user, options);
    const running = run_tool.execute({ name: "approve", args: { amount: 2 } });
    await expect(running).rejects.toBeInstanceOf(ApprovalRequiredError);
    expect(ran).toEqual([]);
  });

  it("returns the denial of what it calls, if the loop wants it so", async () => {
    const { run_tool } = guardTools(tools, user, { ...options, denials: "return" });
    expect(await run_tool.execute({ name: "forbidden" })).toMatchObject({
      decision: "deny",
      hop: { action: "tools/call/forbidden" },
    });
    expect(ran).toEqual([]);
  });

  it("is asked about together with what it calls", async () => {
    const { pdp, requests, stop } = await countingPdp(desk.pdpUrl);
    const session = await desk.session("user", { pdp });
    const { run_tool } = guardTools(tools, session, options);
    await run_tool.execute({ name: "spend", args: { amount: 1 } });
    const before = requests();
    await run_tool.execute({ name: "spend", args: { amount: 2 } });
    expect(requests() - before).toBe(1);
    await stop();
  });

  it("knows no types of what is elsewhere", async () => {
    const transfer = (amount: number) => ({ name: "transfer", args: { amount }, server: "bank" });
    const strict = guardTools(tools, user, options).run_tool;
    expect(await denialOf(strict.execute(transfer(5)))).toMatchObject({
      code: "arguments_invalid",
      hop: { kind: "mcp_bank" },
    });
    const open = guardTools(tools, user, { ...options, untyped: "allow" }).run_tool;
    await open.execute(transfer(5));
    await expect(open.execute(transfer(6))).rejects.toBeInstanceOf(AuthorizationDeniedError);
    expect(ran).toEqual([transfer(5)]);
  });
});
