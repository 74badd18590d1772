import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { findDenial, type AuthorizationDetails, type Denial, type Session } from "hopguard";
import { guardOpenAI } from "hopguard/openai";
import { guardTools } from "hopguard/tools";
import { OpenAI } from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { startMcpServer, type RunningMcpServer } from "../../examples/support-desk/servers/mcp-http";
import {
  delegation,
  DELEGATION_POLICIES,
  handedOn,
  REFUNDS,
  tokenOf,
  trusting,
} from "../support/delegations";
import { openDesk, type Desk } from "../support/desk";
import { MCP_CLIENTS } from "../support/mcp-clients";

/** A real server whose tools the policies know. */
function startPayments(): Promise<RunningMcpServer> {
  return startMcpServer(
    createMcpHandler(() => {
      const server = new McpServer({ name: "payments", version: "1.0.0" });
      const done = () => ({ content: [{ type: "text" as const, text: "done" }] });
      for (const name of ["refund_issue", "refund_cancel", "balance_get", "account_close"])
        server.registerTool(name, { inputSchema: z.object({ amount_cents: z.number() }) }, done);
      return server;
    }),
  );
}

let desk: Desk;
let payments: RunningMcpServer;
beforeAll(async () => {
  [desk, payments] = await Promise.all([
    openDesk({
      policies: [
        ...DELEGATION_POLICIES,
        { kind: "mcp_mail", rules: [{ actions: ["*"], effect: "EFFECT_ALLOW", roles: ["clerk"] }] },
        { kind: "tool_files", rules: [{ actions: ["*"], effect: "EFFECT_ALLOW", roles: ["clerk"] }] },
      ],
    }),
    startPayments(),
  ]);
});
beforeEach(() => {
  desk.reset();
  payments.reset();
});
afterAll(() => Promise.all([desk.close(), payments.stop()]));

const models = { "team-fast": "gpt-4o-mini", "team-best": "gpt-4o" };
const root = (): Promise<Session> => desk.session("clerk", { guard: { models } });
const childWith = async (...authorization_details: readonly AuthorizationDetails[]): Promise<Session> =>
  handedOn(await root(), ["executor"], { authorization_details });
const upstream = () => payments.requests.filter(({ method }) => method === "tools/call");

describe("an agent is shown what its grant reaches", () => {
  const TOOLS = ["refund_issue", "refund_cancel", "balance_get", "account_close"];

  it("of a server's tools: those for any arguments, those with a limit, and no others", async () => {
    expect({ ...(await (await root()).visible("payments", TOOLS)) }).toEqual({
      refund_issue: "conditional",
      refund_cancel: "always",
      balance_get: "always",
      account_close: "never",
    });
    const child = await childWith(REFUNDS);
    expect({ ...(await child.visible("payments", TOOLS)) }).toEqual({
      refund_issue: "conditional",
      refund_cancel: "never",
      balance_get: "conditional",
      account_close: "never",
    });
    const last = await child.delegate(
      delegation({
        to: "helper",
        authorization_details: [{ type: "mcp_payments", actions: ["tools/call/balance_get"] }],
      }),
    );
    expect({ ...(await last.visible("payments", TOOLS)) }).toMatchObject({
      refund_issue: "never",
      balance_get: "conditional",
    });
    expect({ ...(await last.visible("mail", ["send"])) }).toEqual({ send: "never" });
    expect({ ...(await last.visible({ toolset: "files" }, ["read"])) }).toEqual({ read: "never" });
  });

  it("of everything together", async () => {
    const child = await childWith(
      REFUNDS,
      { type: "llm_model", identifier: "gpt-4o-mini", actions: ["completion"] },
      { type: "tool_files", actions: ["tools/call/read"] },
    );
    const shown = await child.capabilities({
      models: ["gpt-4o-mini", "gpt-4o", "team-fast", "team-best"],
      servers: ["payments", "mail"],
      tools: { payments: TOOLS, mail: ["send"] },
      toolsets: { files: ["read", "write"] },
      agents: ["helper"],
    });
    expect(JSON.parse(JSON.stringify(shown))).toEqual({
      models: { "gpt-4o-mini": "always", "gpt-4o": "never", "team-fast": "always", "team-best": "never" },
      servers: { payments: "always", mail: "never" },
      tools: {
        payments: {
          refund_issue: "conditional",
          refund_cancel: "never",
          balance_get: "conditional",
          account_close: "never",
        },
        mail: { send: "never" },
      },
      toolsets: { files: { read: "always", write: "never" } },
      agents: { helper: "never" },
    });
  });

  it("nothing, where nothing was granted", async () => {
    const child = await childWith();
    const shown = await child.capabilities({
      models: ["gpt-4o"],
      servers: ["payments"],
      tools: { payments: TOOLS },
    });
    expect(JSON.stringify(shown)).not.toMatch(/always|conditional/);
  });

  it("by the limit of the user's own token, too", async () => {
    const authorizationDetails = [{ type: "mcp_payments", actions: ["tools/call/balance_get"] }];
    const limited = await desk
      .guardWith({ identity: trusting })
      .session({ token: tokenOf({ authorizationDetails }), agent: { id: "root" } });
    expect({ ...(await limited.visible("payments", TOOLS)) }).toMatchObject({
      refund_cancel: "never",
      balance_get: "always",
    });
  });
});

describe.each(MCP_CLIENTS.filter(({ name }) => name.includes(".x")))("MCP $name", ({ connect, callTool }) => {
  it("lists what was granted, calls it within its limits, and nothing else reaches the server", async () => {
    const client = await connect(payments.url, await childWith(REFUNDS), { server: "payments" });
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).toSorted()).toEqual(["balance_get", "refund_issue"]);
    const call = (name: string, amount_cents: number): Promise<unknown> =>
      callTool(client, { name, arguments: { amount_cents } }).catch((error: unknown) => error);
    expect(findDenial(await call("refund_issue", 5000))).toBeUndefined();
    expect(upstream()).toHaveLength(1);
    for (const outcome of [
      await call("refund_issue", 5001),
      await call("refund_cancel", 1),
      await call("account_close", 1),
      await call("no_such_tool", 1),
    ])
      expect(findDenial(outcome)).toMatchObject({ decision: "deny" });
    expect(findDenial(await call("refund_issue", 5001))).toMatchObject({
      code: "delegation_invalid",
      refused_by: "executor",
    });
    expect(upstream()).toHaveLength(1);
  });

  it("opens no server that was not granted", async () => {
    const child = await childWith({ type: "llm_model", actions: ["completion"] });
    const denial = findDenial(
      await connect(payments.url, child, { server: "payments" }).catch((error: unknown) => error),
    );
    expect(denial).toMatchObject({
      code: "delegation_invalid",
      hop: { kind: "mcp_payments", action: "initialize" },
    });
    expect(payments.requests).toEqual([]);
  });
});

describe("models", () => {
  const clientOf = (session: Session): OpenAI =>
    guardOpenAI(new OpenAI({ apiKey: "x", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 }), session);
  const denialOf = async (call: PromiseLike<unknown>): Promise<Denial> => {
    const outcome = await Promise.resolve(call).catch((error: unknown) => error);
    return findDenial(outcome) ?? expect.fail(`expected a denial, and not ${String(outcome)}`);
  };
  const mini: AuthorizationDetails = {
    type: "llm_model",
    identifier: "gpt-4o-mini",
    actions: ["completion"],
  };

  it("are listed as far as they were granted", async () => {
    const all = await clientOf(await root()).models.list();
    const granted = await clientOf(await childWith(mini)).models.list();
    expect(all.data.length).toBeGreaterThan(1);
    expect(granted.data.map(({ id }) => id)).toEqual(["gpt-4o-mini"]);
  });

  it("are asked as far as they were granted, by whatever name", async () => {
    const { chat } = clientOf(await childWith(mini));
    const ask = (model: string) => chat.completions.create({ model, messages: [] });
    await ask("gpt-4o-mini");
    await ask("team-fast");
    expect(desk.provider.requests).toHaveLength(2);
    for (const model of ["gpt-4o", "team-best", "GPT-4O-MINI", "gpt-4o-mini ", "openai/gpt-4o-mini"])
      expect((await denialOf(ask(model))).code).toMatch(/^(delegation_invalid|unsupported_hop)$/);
    expect(desk.provider.requests).toHaveLength(2);
  });

  it("use no tool of the provider's that was not granted", async () => {
    const ask = async (...authorization_details: readonly AuthorizationDetails[]) =>
      clientOf(await childWith(...authorization_details)).responses.create({
        model: "gpt-4o-mini",
        input: "Hello",
        tools: [{ type: "web_search" }],
      });
    expect(await denialOf(ask(mini))).toMatchObject({
      code: "delegation_invalid",
      refused_by: "executor",
      hop: { action: "hosted_tools/web_search" },
    });
    expect(desk.provider.requests).toEqual([]);
    await ask({ ...mini, actions: ["completion", "hosted_tools/web_search"] });
    expect(desk.provider.requests).toHaveLength(1);
  });

  it("let the provider call a server's tools, where nobody sees it, only by a grant of that", async () => {
    const server_url = "https://payments.example/mcp";
    const ask = async (...actions: readonly string[]) =>
      guardOpenAI(
        new OpenAI({ apiKey: "x", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 }),
        await childWith(
          { ...mini, actions: ["completion", "hosted_tools/mcp"] },
          { ...REFUNDS, actions, constraints: {} },
        ),
        { hostedServers: { [server_url]: "payments" } },
      ).responses.create({
        model: "gpt-4o-mini",
        input: "Hello",
        tools: [{ type: "mcp", server_label: "payments", server_url }],
      });
    expect(await denialOf(ask("tools/call/balance_get"))).toMatchObject({
      code: "delegation_invalid",
      hop: { kind: "mcp_payments", action: "initialize" },
    });
    expect(desk.provider.requests).toEqual([]);
    await ask("tools/call/balance_get", "initialize");
    expect(desk.provider.requests).toHaveLength(1);
  });

  it("are told of no tool that was not granted", async () => {
    const named = (name: string) => ({ type: "function" as const, function: { name, parameters: {} } });
    const client = guardOpenAI(
      new OpenAI({ apiKey: "x", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 }),
      await childWith(mini, REFUNDS),
      { tools: { refund_issue: { server: "payments" }, refund_cancel: { server: "payments" } } },
    );
    const tools = [named("refund_issue"), named("refund_cancel")];
    await client.chat.completions.create({ model: "gpt-4o-mini", messages: [], tools });
    expect(desk.provider.requests.map(({ body }) => body)).toMatchObject([
      { tools: [named("refund_issue")] },
    ]);
  });
});

describe("local tools", () => {
  it("run as far as they were granted", async () => {
    const ran: string[] = [];
    const tool = (name: string) => (_args: object) => void ran.push(name);
    const child = await childWith({ type: "tool_files", actions: ["tools/call/read"] });
    const tools = guardTools({ read: tool("read"), write: tool("write") }, child, {
      toolset: "files",
      schemas: { read: z.object({}), write: z.object({}) },
    });
    await tools.read({});
    const denial = findDenial(await Promise.resolve(tools.write({})).catch((error: unknown) => error));
    expect(denial).toMatchObject({ code: "delegation_invalid", refused_by: "executor" });
    expect(ran).toEqual(["read"]);
  });
});
