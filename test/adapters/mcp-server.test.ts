import { findDenial } from "hopguard";
import { guardMcpServer } from "hopguard/express";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler } from "@modelcontextprotocol/server";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { openDesk, type Desk } from "../support/desk";
import { FRONT_DOORS, type FrontDoor } from "../support/front-doors";
import { FRONT_LAB_POLICY, lab2, type Runs } from "../support/front-lab";
import { sdk1, sdk2, type AnyMcpClient } from "../support/mcp-clients";

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk({ policies: [FRONT_LAB_POLICY] });
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

const info = { name: "hopguard-test", version: "1.0.0" };
const capabilities = { elicitation: { form: {} }, sampling: {} };

type Callable = AnyMcpClient & {
  callTool(call: { readonly name: string; readonly arguments: Record<string, unknown> }): Promise<unknown>;
};

async function opened(client: AnyMcpClient, transport: unknown): Promise<Callable> {
  onTestFinished(() => client.close());
  await client.connect(transport as never);
  return client;
}

const init = (user: string) => ({ requestInit: { headers: { "x-user": user } } });

const CLIENTS = [
  {
    line: "client 1.x",
    isModern: false,
    connect: (url: string, user: string) => {
      const client = new sdk1.Client(info, { capabilities });
      client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name: "Noor" } }));
      return opened(client, new sdk1.StreamableHTTPClientTransport(new URL(url), init(user)));
    },
  },
  {
    line: "client 2.x",
    isModern: false,
    connect: (url: string, user: string) => {
      const client = new sdk2.Client(info, { capabilities });
      client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { name: "Noor" } }));
      return opened(client, new sdk2.StreamableHTTPClientTransport(new URL(url), init(user)));
    },
  },
  {
    line: "client 2.x on revision 2026-07-28",
    isModern: true,
    connect: (url: string, user: string) => {
      const client = new sdk2.Client(info, { capabilities, versionNegotiation: { mode: "auto" } });
      return opened(client, new sdk2.StreamableHTTPClientTransport(new URL(url), init(user)));
    },
  },
] as const;

const PAIRS = FRONT_DOORS.flatMap((door) =>
  CLIENTS.filter(({ isModern }) => !isModern || door.isModern).map((client) => ({
    name: `${door.name}, with ${client.line}`,
    door,
    ...client,
  })),
);

const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);
const start = (door: FrontDoor) => door.start(desk.guard);

describe.each(PAIRS)("a guarded server of $name", ({ door, connect, isModern }) => {
  it("runs what is allowed, with the arguments that were decided", async () => {
    const { url, runs } = await start(door);
    const client = await connect(url, "noor user");
    expect(await client.callTool({ name: "echo", arguments: { text: "hi" } })).toMatchObject({
      content: [{ type: "text", text: "echo ran" }],
    });
    expect(await client.callTool({ name: "tidy", arguments: {} })).not.toHaveProperty("isError", true);
    expect(runs).toEqual([
      ["echo", { text: "hi" }],
      ["tidy", undefined],
    ]);
    expect(desk.records.filter(({ effect }) => effect === "deny")).toEqual([]);
    expect(desk.records.map(({ hop }) => hop.action)).toContain("tools/call/echo");
    expect(desk.records[0]).toMatchObject({ subject: { id: "noor" }, agent: { id: "assistant" } });
  });

  it("never runs what is denied, and says why in the result", async () => {
    const { url, runs } = await start(door);
    const client = await connect(url, "noor user");
    const over = await client.callTool({ name: "spend", arguments: { amount: 11 } });
    expect(over).toMatchObject({ isError: true });
    expect(findDenial(over)).toMatchObject({ code: "policy_denied", hop: { action: "tools/call/spend" } });
    expect(findDenial(await client.callTool({ name: "forbidden", arguments: {} }))).toMatchObject({
      code: "policy_denied",
    });
    expect(findDenial(await client.callTool({ name: "no_such_tool", arguments: {} }))).toMatchObject({
      code: "unsupported_hop",
    });
    const secret = await client.getPrompt({ name: "secret" }).catch((error: unknown) => error);
    expect(findDenial(secret)).toMatchObject({ code: "policy_denied" });
    const hidden = await client.readResource({ uri: "doc://private/1" }).catch((error: unknown) => error);
    expect(findDenial(hidden)).toMatchObject({ code: "policy_denied" });
    expect(runs).toEqual([]);
    await client.callTool({ name: "spend", arguments: { amount: 10 } });
    await client.readResource({ uri: "doc://public/1" });
    expect(runs).toEqual([["spend", { amount: 10 }], ["public"]]);
  });

  it("types arguments before the policy compares them", async () => {
    const { url, runs } = await start(door);
    const client = await connect(url, "noor user");
    for (const amount of ["9", null, [9], true]) {
      const result = await client.callTool({ name: "spend", arguments: { amount } });
      expect(findDenial(result)).toMatchObject({ code: "arguments_invalid" });
    }
    expect(runs).toEqual([]);
  });

  it("lists to each user what that user may use", async () => {
    const { url } = await start(door);
    const [noor, guest] = await Promise.all([connect(url, "noor user"), connect(url, "gil guest")]);
    const lists = await Promise.all([
      noor.listTools(),
      guest.listTools(),
      noor.listPrompts(),
      guest.listPrompts(),
    ]);
    expect(names(lists[0].tools)).toEqual(["echo", "spend", "tidy", "slow", "ask"]);
    expect(names(lists[1].tools)).toEqual(["echo"]);
    expect(names(lists[2].prompts)).toEqual(["greeting"]);
    expect(names(lists[3].prompts)).toEqual([]);
  });

  it("keeps interleaved calls of two users apart", async () => {
    const { url, runs } = await start(door);
    const [noor, guest] = await Promise.all([connect(url, "noor user"), connect(url, "gil guest")]);
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? noor : guest).callTool({ name: "spend", arguments: { amount: index % 10 } }),
      ),
    );
    expect(results.map((result) => findDenial(result)?.code)).toEqual(
      results.map((_, index) => (index % 2 === 0 ? undefined : "policy_denied")),
    );
    expect(runs).toHaveLength(10);
  });

  it("does not let in whom nobody knows", async () => {
    const { url, runs } = await start(door);
    await expect(connect(url, "nobody")).rejects.toThrow();
    expect(desk.records.at(-1)).toMatchObject({ effect: "deny", code: "unauthenticated" });
    expect(runs).toEqual([]);
  });

  it("does not open for whom the policy denies it", async () => {
    const { url } = await start(door);
    const error = await connect(url, "eve stranger").catch((refused: unknown) => refused);
    expect(findDenial(error)).toMatchObject({ code: "policy_denied", hop: { action: "initialize" } });
  });

  it("ends a call under way within a second of a revocation", async () => {
    const { url, runs } = await start(door);
    const client = await connect(url, "ada user");
    const began = performance.now();
    const call = client.callTool({ name: "slow", arguments: {} });
    await expect.poll(() => runs).toEqual([["slow"]]);
    onTestFinished(() => desk.guard.restore({ principal: "ada" }));
    await desk.guard.revoke({ principal: "ada" });
    expect(findDenial(await call.catch((error: unknown) => error))).toMatchObject({ code: "revoked" });
    expect(performance.now() - began).toBeLessThan(5000);
    await expect.poll(() => runs.at(-1)).toEqual(["slow aborted"]);
    expect(isModern).toBeTypeOf("boolean");
  });

  it.runIf(door.hasSessions)("decides what the server asks of the client", async () => {
    const { url, runs } = await start(door);
    const client = await connect(url, "noor user");
    // In JSON there is no stream for questions.
    if (door.name.includes("in JSON")) return;
    expect(await client.callTool({ name: "ask", arguments: {} })).toMatchObject({
      content: [{ text: "accept" }],
    });
    const sampled = await client.callTool({ name: "ask", arguments: { sampled: true } });
    expect(sampled).toMatchObject({ isError: true });
    expect(JSON.stringify(sampled)).toContain("The client does not allow this.");
    expect(runs).toEqual([["ask"], ["ask"]]);
  });
});

describe("what a guarded server knows of its tools", () => {
  const door = FRONT_DOORS.find(({ name }) => name === "SDK 2, web-standard, both revisions");

  it("is learned once, from a server of its own where none is connected yet", async () => {
    if (!door) throw new Error("There is no such server.");
    const { url, runs, created } = await door.start(desk.guard);
    const client = await CLIENTS[2].connect(url, "gil guest");
    const before = created.length;
    await client.callTool({ name: "echo", arguments: { text: "a" } });
    expect(created.length - before).toBe(2);
    await client.callTool({ name: "echo", arguments: { text: "b" } });
    expect(created.length - before).toBe(3);
    expect(runs).toHaveLength(2);
    expect(desk.records.map(({ hop }) => hop.action)).not.toContain("tools/list");
  });

  it("is looked for once a second at most where somebody calls what there is not", async () => {
    if (!door) throw new Error("There is no such server.");
    const { url, created } = await door.start(desk.guard);
    const client = await CLIENTS[2].connect(url, "noor user");
    await client.callTool({ name: "no_such_tool", arguments: {} });
    const before = created.length;
    for (let call = 0; call < 5; call++) {
      const denied = await client.callTool({ name: `no_such_tool_${call}`, arguments: {} });
      expect(findDenial(denied)).toMatchObject({ code: "unsupported_hop" });
    }
    expect(created.length - before).toBe(0);
  });
});

describe("a guard behind Express' body parser", () => {
  const start = async (...before: RequestHandler[]) => {
    const runs: Runs = [];
    const guarded = guardMcpServer(desk.guard, {
      server: "lab",
      create: () => lab2(runs),
      identify: () => ({ principal: { id: "noor", roles: ["user"] }, agent: { id: "assistant" } }),
    });
    const app = express();
    app.use(...before);
    const handler = toNodeHandler(createMcpHandler(guarded.create));
    app.all("/mcp", guarded.handle, (req, res) => handler(req, res, req.body));
    const failed: ErrorRequestHandler = (error: Error, _req, res, _next) => {
      res.status(500).send(error.message);
    };
    app.use(failed);
    const server = app.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, runs };
  };

  it("decides what the parser has made of the body", async () => {
    const { url, runs } = await start(express.json());
    const client = await CLIENTS[1].connect(url, "");
    await client.callTool({ name: "echo", arguments: { text: "hi" } });
    expect(findDenial(await client.callTool({ name: "forbidden", arguments: {} }))).toBeDefined();
    expect(runs).toEqual([["echo", { text: "hi" }]]);
  });

  it("says so where the body was read and lost, and lets nothing past", async () => {
    const { url, runs } = await start((req, _res, next) => {
      req.resume().once("end", () => next());
    });
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const response = await fetch(url, { method: "POST", headers, body });
    expect(response.status).toBe(500);
    expect(await response.text()).toContain("Put the guard before it");
    expect(runs).toEqual([]);
  });
});
