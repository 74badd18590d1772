import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client as Client2, InMemoryTransport as InMemory2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as Stdio2 } from "@modelcontextprotocol/client/stdio";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as Stdio1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { InMemoryTransport as InMemory1 } from "@modelcontextprotocol/sdk/inMemory.js";
import {
  AuthorizationDeniedError,
  ConfigurationError,
  findDenial,
  type PolicyDecisionPoint,
  type Session,
} from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { DENIED_CODE, guardTransport, type GuardTransportOptions } from "hopguard/mcp";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { openDesk, type Desk } from "../support/desk";
import { oldestSdk1, oldestSdk2, sdk1, sdk2 } from "../support/mcp-clients";
import { LAB_POLICY } from "../support/mcp-policy";
import { rawText, rawTool } from "../support/raw-mcp-server";

let desk: Desk;
let user: Session;

beforeAll(async () => {
  desk = await openDesk({
    policies: [
      LAB_POLICY,
      {
        kind: "mcp_closed",
        rules: LAB_POLICY.rules.filter(({ actions }) => !actions.includes("initialize")),
      },
      {
        kind: "mcp_chatty",
        rules: [
          ...LAB_POLICY.rules,
          {
            actions: ["logging/setLevel"],
            effect: "EFFECT_ALLOW",
            roles: ["user"],
            condition: { match: { expr: 'R.attr.level == "error"' } },
          },
        ],
      },
    ],
  });
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  user = await desk.session("user");
});

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number; readonly data?: unknown };
}

/** The guarded end of a pair, with the far end in the test's hands. */
interface Pair {
  send(message: unknown, options?: { readonly requestSignal?: AbortSignal }): Promise<void>;
  close(): Promise<void>;
  /** What reached the server. */
  readonly sent: Message[];
  /** What reached the client. */
  readonly received: Message[];
  readonly errors: Error[];
  /** The server says something. */
  say(message: unknown): Promise<void>;
  /** Waits until so many messages have reached the client. */
  until(count: number): Promise<void>;
}

const listing = { tools: [rawTool("echo"), rawTool("spend"), rawTool("slow")] };

/** The server answers lists and calls at once, unless it is silent. */
async function pair(
  {
    silent = false,
    session = user,
    ...options
  }: Partial<GuardTransportOptions> & {
    readonly silent?: boolean;
    readonly session?: Session;
  } = {},
  InMemory: typeof InMemory1 = InMemory1,
): Promise<Pair> {
  const [near, far] = InMemory.createLinkedPair();
  const guarded = guardTransport(near, session, { server: "lab", ...options });
  const sent: Message[] = [];
  const received: Message[] = [];
  const errors: Error[] = [];
  far.onmessage = (message) => {
    sent.push(message as Message);
    const { id, method } = message as Message;
    if (silent || id === undefined || method === undefined) return;
    const result = method === "tools/list" ? listing : rawText(method);
    void far.send({ jsonrpc: "2.0", id, result });
  };
  guarded.onmessage = (message) => void received.push(message as Message);
  guarded.onerror = (error) => void errors.push(error);
  await far.start();
  await guarded.start();
  onTestFinished(() => guarded.close());
  return {
    send: (message, sendOptions) => guarded.send(message as never, sendOptions as never),
    close: () => guarded.close(),
    sent,
    received,
    errors,
    say: (message) => far.send(message as never),
    until: async (count) => {
      for (let wait = 0; received.length < count && wait < 1000; wait++) await delay(2);
      expect(received.length).toBeGreaterThanOrEqual(count);
    },
  };
}

const request = (id: number, method: string, params?: object) => ({
  jsonrpc: "2.0",
  id,
  method,
  ...(params && { params }),
});
const call = (id: number, name: string, args: object = {}) =>
  request(id, "tools/call", { name, arguments: args });

const isToolCall = ({ method }: Message) => method === "tools/call";

describe("what a client may send", () => {
  it.each([
    ["a batch of one", [call(1, "echo")]],
    ["a batch", [call(1, "echo"), call(2, "echo")]],
    ["nothing", undefined],
    ["text", "tools/call"],
    ["a call that is an answer as well", { ...call(1, "echo"), result: {} }],
    ["a call whose id is null", { ...call(1, "echo"), id: null }],
    ["a call with a list of params", { ...call(1, "echo"), params: [] }],
    ["two names that differ in case", request(1, "tools/call", { name: "echo", Name: "forbidden" })],
    ["two arguments that differ in case", call(1, "spend", { amount: 1, Amount: 1000 })],
    ["two methods that differ in case", { ...request(1, "ping"), Method: "tools/call" }],
    ["ill-formed Unicode", call(1, "echo", { text: "\ud800" })],
    ["a prototype", call(1, "echo", JSON.parse('{"__proto__":{"admin":true}}') as object)],
    ["a cycle", (() => Object.assign(call(1, "echo"), { self: desk }))()],
  ])("is one message that everybody reads alike, and not %s", async (_what, message) => {
    const guarded = await pair();
    const cyclic =
      message && typeof message === "object" && "self" in message
        ? Object.assign(message, { self: message })
        : message;
    const sending = guarded.send(cyclic);
    await expect(sending).rejects.toBeInstanceOf(AuthorizationDeniedError);
    const denial = await sending.catch((error: unknown) => findDenial(error));
    expect(denial?.code).toMatch(/arguments_invalid|unsupported_hop/);
    expect(desk.records.at(-1)).toMatchObject({ decision_id: denial?.decision_id });
    expect(guarded.sent).toEqual([]);
  });

  it.each(["tools/call", "initialize", "notifications/message", "notifications/other", "ping"])(
    "drops the notification %s, and says so",
    async (method) => {
      const guarded = await pair();
      await guarded.send({ jsonrpc: "2.0", method, params: { name: "echo", arguments: {} } });
      expect(guarded.errors.map((error) => findDenial(error)?.code)).toEqual(["unsupported_hop"]);
      expect(desk.records.at(-1)).toMatchObject({ effect: "deny", code: "unsupported_hop" });
      expect(guarded.sent).toEqual([]);
    },
  );

  it.each([
    "secrets/read",
    "notifications/initialized",
    "tools/Call",
    "constructor",
    "tools/call/echo",
    "x y",
  ])("is not the request %s", async (method) => {
    const guarded = await pair();
    await guarded.send(request(1, method, { name: "echo" }));
    await guarded.until(1);
    expect(guarded.received[0]).toMatchObject({ id: 1, error: { code: DENIED_CODE } });
    expect(findDenial(guarded.received[0])?.code).toBe("unsupported_hop");
    expect(guarded.sent).toEqual([]);
  });

  it.each([
    ["tools/call", {}],
    ["tools/call", { name: ["echo"] }],
    ["prompts/get", { name: 7 }],
    ["resources/read", { uri: { href: "doc://public/1" } }],
    ["completion/complete", { ref: { type: "ref/prompt" }, argument: { name: "a", value: "" } }],
    [
      "completion/complete",
      { ref: { name: "greeting", uri: "doc://x" }, argument: { name: "a", value: "" } },
    ],
    ["logging/setLevel", {}],
    ["subscriptions/listen", { notifications: { resourceSubscriptions: "doc://public/1" } }],
  ])("says what %s is about: %j does not", async (method, params) => {
    const guarded = await pair();
    await guarded.send(request(1, method, params));
    await guarded.until(1);
    expect(findDenial(guarded.received[0]) ?? findDenial(guarded.received[0]?.result)).toMatchObject({
      code: "arguments_invalid",
    });
    expect(guarded.sent).toEqual([]);
  });

  it("is a ping, without asking anybody", async () => {
    const guarded = await pair();
    desk.reset();
    await guarded.send(request(1, "ping"));
    await guarded.until(1);
    expect(desk.records).toEqual([]);
  });

  it("keeps what else stands in the params", async () => {
    const guarded = await pair();
    const params = {
      name: "echo",
      arguments: { text: "x" },
      _meta: { progressToken: 7, "example.com/trace": "a" },
    };
    await guarded.send(request(1, "tools/call", params));
    await guarded.until(1);
    expect(guarded.sent.find(isToolCall)?.params).toEqual(params);
  });

  it("is frozen before anybody else can touch it", async () => {
    const guarded = await pair();
    await guarded.send(call(1, "echo", { text: "x" }));
    const message = guarded.sent.find(isToolCall);
    expect(Object.isFrozen(message)).toBe(true);
    expect(Object.isFrozen(message?.params)).toBe(true);
    expect(Object.isFrozen(message?.params?.arguments)).toBe(true);
  });

  it("listens to the resources that it may subscribe to, and to no others", async () => {
    const guarded = await pair();
    const listen = (id: number, ...uris: string[]) =>
      request(id, "subscriptions/listen", { notifications: { resourceSubscriptions: uris } });
    await guarded.send(listen(1, "doc://public/1", "doc://private/1"));
    await guarded.send(listen(2, "doc://public/1"));
    await guarded.until(2);
    expect(findDenial(guarded.received[0])).toMatchObject({ hop: { action: "resources/subscribe" } });
    expect(guarded.sent.map(({ id }) => id)).toEqual([2]);
  });

  it("listens to nothing that no rule speaks of, such as the tasks of others", async () => {
    const guarded = await pair();
    const listen = (id: number, notifications: object) =>
      request(id, "subscriptions/listen", { notifications });
    await guarded.send(listen(1, { toolsListChanged: true, taskIds: ["of-another"] }));
    await guarded.send(listen(2, { toolsListChanged: true, promptsListChanged: true }));
    await guarded.send(listen(3, { resourcesListChanged: true, resourceSubscriptions: [] }));
    await guarded.until(3);
    expect(findDenial(guarded.received[0])).toMatchObject({ code: "unsupported_hop" });
    expect(guarded.sent.map(({ id }) => id)).toEqual([2, 3]);
  });

  it("asks for logs by a request's own `_meta` where it may set the level, and nowhere else", async () => {
    const wanting = (id: number, level: unknown) =>
      request(id, "tools/call", {
        ...{ name: "echo", arguments: { text: "x" } },
        _meta: { "io.modelcontextprotocol/logLevel": level },
      });
    for (const [server, allowed] of [
      ["lab", []],
      ["chatty", ["error"]],
    ] as const) {
      const guarded = await pair({ server });
      const levels = ["error", "debug", 7, null];
      for (const [id, level] of levels.entries()) await guarded.send(wanting(id, level));
      await guarded.until(levels.length);
      const denied = guarded.received.filter(({ result }) => findDenial(result));
      expect(denied).toHaveLength(levels.length - allowed.length);
      for (const { result } of denied) {
        expect(findDenial(result)).toMatchObject({ hop: { action: "logging/setLevel" } });
      }
      expect(guarded.sent.filter(isToolCall).map(({ params }) => params?._meta)).toEqual(
        allowed.map((level) => ({ "io.modelcontextprotocol/logLevel": level })),
      );
    }
  });

  it("cannot be sent before the server was opened, nor after it was closed", async () => {
    const [near, far] = InMemory1.createLinkedPair();
    const sent: unknown[] = [];
    far.onmessage = (message) => void sent.push(message);
    await far.start();
    const closed = guardTransport(near, user, { server: "closed" });
    await expect(closed.send(call(1, "echo") as never)).rejects.toThrow("not started");
    await expect(closed.start()).rejects.toBeInstanceOf(AuthorizationDeniedError);
    await expect(closed.send(call(1, "echo") as never)).rejects.toThrow("not started");
    expect(sent).toEqual([]);

    const guarded = await pair();
    await guarded.close();
    await expect(guarded.send(call(1, "echo"))).rejects.toThrow("not started");
    expect(guarded.sent).toEqual([]);
  });
});

describe("what a client may receive", () => {
  it("is an answer to a request that was sent, once", async () => {
    const guarded = await pair({ silent: true });
    await guarded.say({ jsonrpc: "2.0", id: 1, result: { tools: [rawTool("forbidden")] } });
    await guarded.send(request(1, "tools/list"));
    await guarded.say({ jsonrpc: "2.0", id: "1", result: { tools: [rawTool("forbidden")] } });
    await guarded.say({ jsonrpc: "2.0", id: 1, result: { tools: [rawTool("forbidden"), rawTool("echo")] } });
    await guarded.say({ jsonrpc: "2.0", id: 1, result: { tools: [rawTool("forbidden")] } });
    await guarded.until(1);
    await delay(20);
    expect(guarded.received).toHaveLength(1);
    expect(guarded.received[0]?.result).toMatchObject({ tools: [{ name: "echo" }] });
    expect(guarded.errors).toHaveLength(3);
  });

  it("is no answer to a request that is still being checked", async () => {
    const slow = slowly(200);
    const guarded = await pair({ silent: true, session: await desk.session("user", { pdp: slow }) });
    const sending = guarded.send(request(1, "tools/list"));
    await guarded.say({ jsonrpc: "2.0", id: 1, result: { tools: [rawTool("forbidden")] } });
    await sending;
    expect(guarded.received).toEqual([]);
    expect(guarded.errors).toHaveLength(1);
  });

  it("is no answer to another request under the same id", async () => {
    const guarded = await pair({ silent: true });
    await guarded.send(request(1, "tools/list"));
    await expect(guarded.send(request(1, "ping"))).rejects.toBeInstanceOf(AuthorizationDeniedError);
    await guarded.say({ jsonrpc: "2.0", id: 1, result: { tools: [rawTool("forbidden")] } });
    await guarded.until(1);
    expect(guarded.received[0]?.result).toMatchObject({ tools: [] });
  });

  it.each([
    ["a batch", [{ jsonrpc: "2.0", method: "notifications/message", params: {} }]],
    ["an unknown notification", { jsonrpc: "2.0", method: "notifications/wallet" }],
    ["a request without an id", { jsonrpc: "2.0", method: "sampling/createMessage", params: {} }],
    ["text", "hello"],
    [
      "a result that is an error as well",
      { jsonrpc: "2.0", id: 1, result: {}, error: { code: 1, message: "" } },
    ],
  ])("is not %s", async (_what, message) => {
    const guarded = await pair();
    await guarded.say(message);
    await delay(20);
    expect(guarded.received).toEqual([]);
    expect(guarded.errors).toHaveLength(1);
  });

  it("is the server's own errors, and its known notifications, in their order", async () => {
    const guarded = await pair({ silent: true });
    await guarded.send(call(1, "echo").method === "tools/call" ? request(1, "resources/list") : {});
    await guarded.say({
      jsonrpc: "2.0",
      method: "notifications/message",
      params: { level: "info", data: 1 },
    });
    await guarded.say({ jsonrpc: "2.0", id: 1, error: { code: -32000, message: "Down" } });
    await guarded.say({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });
    expect(guarded.received.map(({ method, error }) => method ?? error?.code)).toEqual([
      "notifications/message",
      -32000,
      "notifications/tools/list_changed",
    ]);
  });

  it("is nothing that a client answers unasked", async () => {
    const guarded = await pair();
    await guarded.send({ jsonrpc: "2.0", id: 9, result: { roots: [{ uri: "file:///" }] } });
    expect(guarded.sent).toEqual([]);
    expect(guarded.errors).toHaveLength(1);
  });
});

describe("giving up", () => {
  const withSlowPdp = async (silent = true) => {
    const slow = slowly(100);
    return pair({ silent, session: await desk.session("user", { pdp: slow }) });
  };

  it("cancels the check, and nothing is sent, neither the call nor its cancellation", async () => {
    const guarded = await withSlowPdp();
    const sending = guarded.send(request(1, "resources/list"));
    await guarded.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } });
    await sending;
    await delay(150);
    expect(guarded.sent).toEqual([]);
    expect(guarded.received).toEqual([]);
    expect(desk.records.at(-1)).toMatchObject({ code: "aborted" });
  });

  it("does so by the signal of SDK 2 as well", async () => {
    const guarded = await withSlowPdp();
    const controller = new AbortController();
    const sending = guarded.send(request(1, "resources/list"), { requestSignal: controller.signal });
    controller.abort();
    await sending;
    await delay(150);
    expect(guarded.sent).toEqual([]);
    expect(desk.records.at(-1)).toMatchObject({ code: "aborted" });
  });

  it("tells the server of a call that it knows, and drops what still comes", async () => {
    const guarded = await pair({ silent: true });
    await guarded.send(request(1, "resources/list"));
    await guarded.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } });
    await guarded.say({ jsonrpc: "2.0", id: 1, result: { resources: [] } });
    expect(guarded.sent.map(({ method }) => method)).toEqual(["resources/list", "notifications/cancelled"]);
    expect(guarded.received).toEqual([]);
  });

  it("keeps a server's request from the client when the server takes it back", async () => {
    const guarded = await withSlowPdp();
    await guarded.say({ jsonrpc: "2.0", id: 5, method: "elicitation/create", params: { message: "Who?" } });
    await guarded.say({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 5 } });
    await delay(200);
    expect(guarded.received).toEqual([]);
    expect(guarded.sent).toEqual([]);
  });

  it("ends with the connection", async () => {
    const guarded = await withSlowPdp();
    const sending = guarded.send(request(1, "resources/list"));
    await guarded.close();
    await sending;
    await delay(150);
    expect(guarded.sent).toEqual([]);
  });
});

describe("the guard's own list", () => {
  it("is not passed up, and carries what a request of revision 2026-07-28 must say of its sender", async () => {
    const guarded = await pair();
    const sender = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const params = { name: "echo", arguments: {}, _meta: { ...sender, progressToken: 7 } };
    await guarded.send(request(1, "tools/call", params));
    await guarded.until(1);
    expect(guarded.received.map(({ id }) => id)).toEqual([1]);
    const [own, sent] = guarded.sent;
    expect(own).toMatchObject({ method: "tools/list", params: { _meta: sender } });
    expect(own?.params?._meta).not.toHaveProperty("progressToken");
    expect(own?.id).toMatch(/^hopguard:/);
    expect(sent?.params).toEqual(params);
  });

  it("is decided like any other: where listing is denied, so is the call", async () => {
    const pdp = cerbos(desk.pdpUrl, { timeoutMs: 10_000 });
    onTestFinished(() => pdp.close());
    const listless: PolicyDecisionPoint = {
      plan: pdp.plan.bind(pdp),
      check: (query, options) =>
        pdp.check(
          query.actions[0] === "tools/list" ? { ...query, actions: ["tools/forbidden"] } : query,
          options,
        ),
    };
    const guarded = await pair({ session: await desk.session("user", { pdp: listless }) });
    await guarded.send(call(1, "echo"));
    await guarded.until(1);
    expect(findDenial(guarded.received[0]?.result)).toMatchObject({
      code: "policy_denied",
      hop: { action: "tools/call/echo" },
    });
    expect(guarded.sent).toEqual([]);
  });

  it("is asked again for a tool that was not there once the server says that its list has changed", async () => {
    const guarded = await pair();
    await guarded.send(call(1, "ask"));
    await guarded.send(call(2, "ask"));
    expect(guarded.sent.map(({ method }) => method)).toEqual(["tools/list"]);
    listing.tools.push(rawTool("ask"));
    onTestFinished(() => void listing.tools.pop());
    await guarded.say({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });
    await guarded.send(call(3, "ask"));
    expect(guarded.sent.map(({ method }) => method)).toEqual(["tools/list", "tools/list", "tools/call"]);
  });
});

describe("tasks", () => {
  it("are those of this connection's own calls", async () => {
    const guarded = await pair({ silent: true, schemas: { slow: { type: "object" } } });
    await guarded.send(request(1, "tools/call", { name: "slow", arguments: {}, task: { ttl: 1000 } }));
    await guarded.say({ jsonrpc: "2.0", id: 1, result: { task: { taskId: "mine", status: "working" } } });
    await guarded.send(request(2, "tasks/get", { taskId: "mine" }));
    await guarded.send(request(3, "tasks/get", { taskId: "theirs" }));
    await guarded.send(request(4, "tasks/cancel", { taskId: "mine" }));
    await guarded.send(request(5, "tasks/list"));
    await guarded.say({
      jsonrpc: "2.0",
      id: 5,
      result: { tasks: [{ taskId: "theirs" }, { taskId: "mine" }], nextCursor: "more" },
    });
    expect(guarded.sent.map(({ method }) => method)).toEqual(["tools/call", "tasks/get", "tasks/list"]);
    const answer = (id: number) => guarded.received.find((message) => message.id === id);
    expect(findDenial(answer(3))).toMatchObject({ code: "unsupported_hop", hop: { action: "tasks/get" } });
    expect(findDenial(answer(4))).toMatchObject({ code: "policy_denied", hop: { action: "tasks/cancel" } });
    expect(answer(5)?.result).toEqual({ tasks: [{ taskId: "mine" }], nextCursor: "more" });
  });

  it("are not what a denied call is answered with", async () => {
    const guarded = await pair();
    await guarded.send(request(1, "tools/call", { name: "forbidden", arguments: {}, task: {} }));
    await guarded.until(1);
    expect(guarded.received[0]).toMatchObject({ error: { code: DENIED_CODE, data: { decision: "deny" } } });
    expect(guarded.sent.filter(isToolCall)).toEqual([]);
  });
});

const ECHO_SERVER = `
  import { McpServer } from "@modelcontextprotocol/server";
  import { StdioServerTransport } from "@modelcontextprotocol/server/stdio";
  import { z } from "zod";
  const server = new McpServer({ name: "echo", version: "1.0.0" });
  for (const name of ["echo", "forbidden"]) {
    server.registerTool(name, { inputSchema: z.object({ text: z.string() }) }, ({ text }) => ({
      content: [{ type: "text", text }],
    }));
  }
  await server.connect(new StdioServerTransport());
`;

describe("a server that is a process", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "hopguard-stdio-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  });
  const info = { name: "test", version: "1.0.0" };
  const listening = () => ({
    command: "sh",
    args: ["-c", `echo started >> ${folder}/spawned; cat >> ${folder}/heard`],
  });

  it("is never spawned where it is denied, with either SDK, by whatever revision", async () => {
    const options = { server: "closed" };
    const opening = [
      new Client1(info).connect(guardTransport(new Stdio1(listening()), user, options)),
      new Client2(info).connect(guardTransport(new Stdio2(listening()), user, options)),
      new Client2(info, { versionNegotiation: { mode: "auto" } }).connect(
        guardTransport(new Stdio2(listening()), user, options),
      ),
    ];
    for (const { status, reason } of (await Promise.allSettled(opening)) as PromiseRejectedResult[]) {
      expect(status).toBe("rejected");
      expect(reason).toBeInstanceOf(AuthorizationDeniedError);
    }
    await delay(100);
    expect(existsSync(join(folder, "spawned"))).toBe(false);
  });

  it("is guarded in the second process too that SDK 2 spawns to find out its revision", async () => {
    const guarded = guardTransport(new Stdio2(listening()), user, { server: "lab" });
    expect("stderr" in guarded && "pid" in guarded).toBe(true);
    const Sibling = guarded.constructor as new (params: object) => typeof guarded;
    const sibling = new Sibling(listening());
    sibling.onmessage = () => undefined;
    await sibling.start();
    onTestFinished(() => sibling.close());
    await sibling.send({ jsonrpc: "2.0", method: "notifications/wallet" } as never);
    await sibling.send({ jsonrpc: "2.0", id: 1, method: "wallet/open" });
    await sibling.send({ jsonrpc: "2.0", id: 2, method: "ping" });
    await expect.poll(() => readFileSync(join(folder, "heard"), "utf8")).toContain("ping");
    expect(readFileSync(join(folder, "heard"), "utf8")).not.toContain("wallet");
  });

  const negotiating = { versionNegotiation: { mode: "auto" } } as const;
  it.each([
    ["client 1.10", oldestSdk1, {}],
    ["client 1.x", sdk1, {}],
    ["client 2.0", oldestSdk2, {}],
    ["client 2.x", sdk2, {}],
    ["client 2.0 that negotiates", oldestSdk2, negotiating],
    ["client 2.x that negotiates", sdk2, negotiating],
  ] as const)("is called as usual, with %s", async (_name, sdk, clientOptions) => {
    const { Client, StdioClientTransport: Stdio } = sdk;
    const client = new Client(info, clientOptions);
    const server = new Stdio({
      command: process.execPath,
      args: ["--input-type=module", "--eval", ECHO_SERVER],
      cwd: fileURLToPath(new URL("../..", import.meta.url)),
    });
    await client.connect(guardTransport(server, user, { server: "lab" }));
    onTestFinished(() => client.close());
    const result = await client.callTool({ name: "echo", arguments: { text: "hello" } });
    expect(result.content).toEqual([{ type: "text", text: "hello" }]);
    const denied = await client.callTool({ name: "forbidden", arguments: { text: "hello" } });
    expect(findDenial(denied)?.code).toBe("policy_denied");
  });

  it("says that it is one, and where its errors go", () => {
    const stdio = guardTransport(new Stdio1({ ...listening(), stderr: "pipe" }), user, { server: "lab" });
    expect(stdio.stderr).not.toBeNull();
    expect(stdio.pid).toBeNull();
    const [near] = InMemory2.createLinkedPair();
    const memory = guardTransport(near, user, { server: "lab" });
    expect("pid" in memory || "stderr" in memory || "setProtocolVersion" in memory).toBe(false);
  });
});

describe("the options of guardTransport", () => {
  const make = (options: unknown) => () =>
    guardTransport(InMemory1.createLinkedPair()[0], user, options as GuardTransportOptions);

  it.each([
    [{ server: "pay-roll" }, "guardTransport.server"],
    [{}, "guardTransport.server"],
    [undefined, "guardTransport"],
    [{ server: "lab", effect: {} }, "effect"],
    [{ server: "lab", effects: { echo: "harmless" } }, "guardTransport.effects.echo"],
    [{ server: "lab", effects: { "echo *": "read" } }, "guardTransport.effects.echo *"],
    [{ server: "lab", schemas: { echo: "object" } }, "guardTransport.schemas.echo"],
    [{ server: "lab", schemas: { echo: { $ref: "https://example.com" } } }, "guardTransport.schemas.echo"],
    [{ server: "lab", untyped: true }, "guardTransport.untyped"],
  ])("refuse %j, naming %s", (options, name) => {
    expect(make(options)).toThrow(ConfigurationError);
    expect(make(options)).toThrow(name);
  });

  it("need a session, and not the promise of one", () => {
    expect(() =>
      guardTransport(InMemory1.createLinkedPair()[0], desk.session("user") as never, { server: "lab" }),
    ).toThrow(ConfigurationError);
  });
});

/** The desk's PDP, some time later. */
function slowly(ms: number): PolicyDecisionPoint {
  const pdp = cerbos(desk.pdpUrl, { timeoutMs: 10_000 });
  onTestFinished(() => pdp.close());
  return {
    plan: pdp.plan.bind(pdp),
    check: async (query, options) => {
      if (query.actions[0] !== "initialize") await delay(ms);
      return pdp.check(query, options);
    },
  };
}
