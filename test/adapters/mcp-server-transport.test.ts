import { Client as Client2, InMemoryTransport as Memory2 } from "@modelcontextprotocol/client";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport as Memory1 } from "@modelcontextprotocol/sdk/inMemory.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { findDenial, type Session } from "hopguard";
import { guardServerTransport, type AnyServerTransport, type ServerGuardOptions } from "hopguard/mcp-server";
import { PassThrough } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import * as z from "zod";
import { openDesk, type Desk } from "../support/desk";
import { FRONT_LAB_POLICY, lab1, lab2, type Runs } from "../support/front-lab";
import type { AnyMcpClient } from "../support/mcp-clients";

let desk: Desk;
let user: Session;
let guest: Session;
let runs: Runs;
beforeAll(async () => {
  desk = await openDesk({ policies: [FRONT_LAB_POLICY] });
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  runs = [];
  [user, guest] = await Promise.all([desk.session("user"), desk.session("guest")]);
});

const info = { name: "hopguard-test", version: "1.0.0" };
const capabilities = { elicitation: { form: {} }, sampling: {} };
const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);

const SERVERS = [
  ["SDK 1", lab1],
  ["SDK 2", lab2],
] as const;
const CLIENTS = [
  [
    "client 1.x",
    () => {
      const client = new Client1(info, { capabilities });
      client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: { name: "Noor" } }));
      return client;
    },
  ],
  [
    "client 2.x",
    () => {
      const client = new Client2(info, { capabilities });
      client.setRequestHandler("elicitation/create", () => ({ action: "accept", content: { name: "Noor" } }));
      return client;
    },
  ],
] as const;

const PAIRS = SERVERS.flatMap(([server, lab]) =>
  CLIENTS.map(([client, create]) => ({ name: `${server} with ${client}`, lab, create })),
);

/** Joins a client and a server in memory, the server's end guarded. */
async function join(
  server: { connect(transport: never): Promise<void> },
  client: AnyMcpClient,
  session: Session,
  options: Partial<ServerGuardOptions> = {},
): Promise<void> {
  const [clientEnd, serverEnd] = Memory1.createLinkedPair();
  guardServerTransport(serverEnd, session, { server: "lab", effects: { tidy: "write" }, ...options });
  await server.connect(serverEnd as never);
  onTestFinished(() => client.close());
  await client.connect(clientEnd);
}

describe.each(PAIRS)("a guarded transport of $name", ({ lab, create }) => {
  it("decides what the client asks, before the server hears of it", async () => {
    const client = create();
    await join(lab(runs), client, user);
    await client.callTool({ name: "echo", arguments: { text: "hi" } });
    await client.callTool({ name: "tidy", arguments: {} });
    const over = await client.callTool({ name: "spend", arguments: { amount: 11 } });
    expect(findDenial(over)).toMatchObject({ code: "policy_denied" });
    const untyped = await client.callTool({ name: "spend", arguments: { amount: "9" } });
    expect(findDenial(untyped)).toMatchObject({ code: "arguments_invalid" });
    const hidden = await client.readResource({ uri: "doc://private/1" }).catch((error: unknown) => error);
    expect(findDenial(hidden)).toMatchObject({ code: "policy_denied" });
    expect(names((await client.listTools()).tools)).toEqual(["echo", "spend", "tidy", "slow", "ask"]);
    expect(runs.map(([name]) => name)).toEqual(["echo", "tidy"]);
  });

  it("decides what the server asks of the client", async () => {
    const client = create();
    await join(lab(runs), client, user);
    expect(await client.callTool({ name: "ask", arguments: {} })).toMatchObject({
      content: [{ text: "accept" }],
    });
    const sampled = await client.callTool({ name: "ask", arguments: { sampled: true } });
    expect(sampled).toMatchObject({ isError: true });
  });

  it("needs no leave to list in order to know what a tool's arguments are", async () => {
    const client = create();
    await join(lab(runs), client, guest);
    await client.callTool({ name: "echo", arguments: { text: "hi" } });
    expect(runs).toEqual([["echo", { text: "hi" }]]);
    expect(desk.records.map(({ hop }) => hop.action)).not.toContain("tools/list");
  });

  it("hands on the cancellation of a call", async () => {
    const client = create();
    await join(lab(runs), client, user);
    const gone = new AbortController();
    const call = (client as Client1).request(
      { method: "tools/call", params: { name: "slow", arguments: {} } },
      z.looseObject({}) as never,
      { signal: gone.signal },
    );
    await expect.poll(() => runs).toEqual([["slow"]]);
    gone.abort();
    await expect(call).rejects.toThrow();
    await expect.poll(() => runs.at(-1)).toEqual(["slow aborted"]);
  });

  it("ends a call within a second of a revocation, and lets nothing more past", async () => {
    const client = create();
    await join(lab(runs), client, user);
    const call = client.callTool({ name: "slow", arguments: {} });
    await expect.poll(() => runs).toEqual([["slow"]]);
    await desk.guard.revoke({ session: user.id });
    expect(findDenial(await call)).toMatchObject({ code: "revoked" });
    await expect.poll(() => runs.at(-1)).toEqual(["slow aborted"]);
    expect(findDenial(await client.callTool({ name: "echo", arguments: { text: "a" } }))).toMatchObject({
      code: "revoked",
    });
    expect(runs).toHaveLength(2);
  });
});

describe("a guarded transport", () => {
  it("keeps the listener that was there before, which sees what passes", async () => {
    const [clientEnd, serverEnd] = Memory2.createLinkedPair();
    const seen: unknown[] = [];
    serverEnd.onmessage = (message) => seen.push((message as { method?: string }).method);
    guardServerTransport(serverEnd, user, { server: "lab" });
    await lab2(runs).connect(serverEnd);
    const client = new Client2(info);
    onTestFinished(() => client.close());
    await client.connect(clientEnd);
    await client.callTool({ name: "forbidden", arguments: {} });
    await client.callTool({ name: "echo", arguments: { text: "hi" } });
    expect(seen.filter((method) => method === "tools/call")).toHaveLength(1);
    expect(runs).toEqual([["echo", { text: "hi" }]]);
  });

  it("answers a method that the revision does not have as the server would", async () => {
    const client = new Client1(info);
    await join(lab1(runs), client, user);
    const asked = client.request({ method: "admin/run" }, z.looseObject({}) as never);
    const error = await asked.catch((refused: unknown) => refused);
    expect(error).toMatchObject({ code: -32601 });
    expect(findDenial(error)).toMatchObject({ code: "unsupported_hop" });
  });

  it("goes by the newest definition of a tool, once the server has said that they have changed", async () => {
    const server = new McpServer(info);
    const schema = (maximum: number) => z.object({ amount: z.number().max(maximum) });
    const spend = server.registerTool("spend", { inputSchema: schema(5) }, (args) => {
      runs.push(["spend", args]);
      return { content: [] };
    });
    const client = new Client2(info);
    await join(server, client, user);
    const call = (amount: number) => client.callTool({ name: "spend", arguments: { amount } });
    expect(findDenial(await call(7))).toMatchObject({ code: "arguments_invalid" });
    spend.update({ paramsSchema: schema(9) });
    expect(findDenial(await call(7))).toBeUndefined();
    expect(findDenial(await call(10))).toMatchObject({ code: "arguments_invalid" });
    server.registerTool("echo", { inputSchema: z.object({ text: z.string() }) }, (args) => {
      runs.push(["echo", args]);
      return { content: [] };
    });
    await client.callTool({ name: "echo", arguments: { text: "new" } });
    expect(runs).toEqual([
      ["spend", { amount: 7 }],
      ["echo", { text: "new" }],
    ]);
  });

  it("serves revision 2026-07-28 over stdio", async () => {
    const [toServer, toClient] = [new PassThrough(), new PassThrough()];
    const transport = new StdioServerTransport(toServer, toClient);
    const handle = serveStdio(() => lab2(runs), {
      transport: guardServerTransport(transport, user, { server: "lab" }),
    });
    onTestFinished(() => handle.close());
    const client = new Client2(info, { versionNegotiation: { mode: "auto" } });
    onTestFinished(() => client.close());
    await client.connect(new StdioEnd(toClient, toServer));
    expect(names((await client.listTools()).tools)).toEqual(["echo", "spend", "tidy", "slow", "ask"]);
    await client.callTool({ name: "echo", arguments: { text: "hi" } });
    expect(findDenial(await client.callTool({ name: "forbidden", arguments: {} }))).toMatchObject({
      code: "policy_denied",
    });
    expect(runs).toEqual([["echo", { text: "hi" }]]);
    expect(desk.records.map(({ hop }) => hop.action)).toContain("initialize");
  });
});

/** A client's end of a server that is no process of its own. */
class StdioEnd implements AnyServerTransport {
  onmessage?: (message: unknown) => void;
  onclose?: () => void;
  #rest = "";

  constructor(
    private readonly from: PassThrough,
    private readonly to: PassThrough,
  ) {}

  start(): Promise<void> {
    this.from.setEncoding("utf8").on("data", (text: string) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.onmessage?.(JSON.parse(line));
    });
    return Promise.resolve();
  }

  send(message: unknown): Promise<void> {
    this.to.write(`${JSON.stringify(message)}\n`);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.onclose?.();
    return Promise.resolve();
  }
}
