import { randomUUID } from "node:crypto";
import {
  Client as Client2,
  StreamableHTTPClientTransport as HttpTransport2,
  type OAuthClientProvider,
} from "@modelcontextprotocol/client";
import { StreamableHTTPClientTransport as HttpTransport1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import {
  WebStandardStreamableHTTPServerTransport,
  type EventStore,
} from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { JSONRPCMessage } from "@modelcontextprotocol/sdk/types.js";
import { AuthorizationDeniedError, findDenial, type Denial, type Session } from "hopguard";
import { guardTransport, type GuardTransportOptions, type MetaTool } from "hopguard/mcp";
import { guardTools } from "hopguard/tools";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { startMcpServer, type RunningMcpServer } from "../../examples/support-desk/servers/mcp-http";
import { openDesk, type Desk } from "../support/desk";
import { connect1, MCP_CLIENTS, oldestSdk1, sdk1, type AnyMcpClient } from "../support/mcp-clients";
import { LAB_POLICY } from "../support/mcp-policy";
import { denialOf } from "../support/model-sdks";
import { rawText, rawTool, startRawMcpServer, type RawAnswer } from "../support/raw-mcp-server";

let desk: Desk;
let user: Session;

beforeAll(async () => {
  desk = await openDesk({
    policies: [LAB_POLICY, { kind: "tool_lab", rules: LAB_POLICY.rules }, { kind: "mcp_closed", rules: [] }],
  });
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  user = await desk.session("user");
});

async function raw(answer: RawAnswer): Promise<RunningMcpServer> {
  const server = await startRawMcpServer(answer);
  onTestFinished(() => server.stop());
  return server;
}

const tools = [rawTool("echo"), rawTool("forbidden"), rawTool("slow")];
const lab = (): Promise<RunningMcpServer> =>
  raw(({ method }) => (method === "tools/list" ? { tools } : rawText(method)));

/** The transport below a client, as whoever holds the client can reach it. */
interface Wire {
  send(message: unknown, options?: object): Promise<void>;
  onmessage?: ((message: unknown, ...rest: unknown[]) => void) | undefined;
}
const wireOf = (client: AnyMcpClient): Wire => client.transport as unknown as Wire;

/** Sends a request below the client, whatever its SDK thinks of it, and resolves to the answer. */
async function exchange(
  client: AnyMcpClient,
  method: string,
  params: object = {},
): Promise<Record<string, unknown>> {
  const wire = wireOf(client);
  const id = randomUUID();
  const answer = new Promise<Record<string, unknown>>((resolve) => {
    const { onmessage } = wire;
    wire.onmessage = (message, ...rest) => {
      if ((message as { id?: unknown }).id === id) resolve(message as Record<string, unknown>);
      else onmessage?.(message, ...rest);
    };
  });
  await wire.send({ jsonrpc: "2.0", id, method, params });
  return answer;
}

const denialFor = async (client: AnyMcpClient, method: string, params: object = {}) => {
  const { result, error } = await exchange(client, method, params);
  return findDenial(result ?? error);
};

describe.each(MCP_CLIENTS)("no way round the guard, with $name", ({ connect }) => {
  const open = (server: RunningMcpServer, session = user, options: Partial<GuardTransportOptions> = {}) =>
    connect(server.url, session, { server: "lab", ...options });

  /** A client that is connected, and a server that forgets how. */
  async function connected(options: Partial<GuardTransportOptions> = {}) {
    const server = await lab();
    const client = await open(server, user, options);
    await client.listTools();
    server.reset();
    return { client, server };
  }

  const call = { jsonrpc: "2.0", method: "tools/call", params: { name: "echo", arguments: {} } };
  const params = '{"__proto__":{"name":"forbidden"},"name":"echo"}';
  it.each<[string, unknown]>([
    ["a batch", [{ ...call, id: 1 }]],
    [
      "a batch of a ping and a call",
      [
        { jsonrpc: "2.0", id: 1, method: "ping" },
        { ...call, id: 2 },
      ],
    ],
    ["an empty batch", []],
    ["a notification with the method of a call", call],
    ["a call with the id null", { ...call, id: null }],
    ["params that are a batch", { ...call, id: 1, params: [call.params] }],
    ["params with a prototype", { ...call, id: 1, params: JSON.parse(params) as unknown }],
    ["a method beside another in capitals", { ...call, id: 1, METHOD: "ping" }],
  ])("is sending %s", async (_what, message) => {
    const { client, server } = await connected();
    await wireOf(client)
      .send(message)
      .catch((error: unknown) => expect(error).toBeInstanceOf(AuthorizationDeniedError));
    expect(desk.records.at(-1)).toMatchObject({ effect: "deny" });
    expect(server.requests).toEqual([]);
  });

  it.each<[string, object, Denial["code"]]>([
    ["secrets/read", {}, "unsupported_hop"],
    ["Tools/Call", { name: "echo", arguments: {} }, "unsupported_hop"],
    ["TOOLS/CALL", { name: "echo", arguments: {} }, "unsupported_hop"],
    ["tools/call ", { name: "echo", arguments: {} }, "unsupported_hop"],
    ["notifications/initialized", {}, "unsupported_hop"],
    ["__proto__", {}, "unsupported_hop"],
    ["logging/setLevel", { level: "debug" }, "policy_denied"],
    [
      "completion/complete",
      { ref: { type: "ref/prompt", name: "secret" }, argument: { name: "a", value: "" } },
      "policy_denied",
    ],
    ["tools/call", { name: "echo", arguments: '{"text":"x"}' }, "arguments_invalid"],
    ["tools/call", { name: "echo", arguments: [] }, "arguments_invalid"],
    ["tools/call", { name: "echo", arguments: null }, "arguments_invalid"],
    ["tools/call", { name: "Echo", arguments: {} }, "unsupported_hop"],
    ["tools/call", { name: "forbidden", arguments: {}, task: {} }, "policy_denied"],
    ["tools/call", { name: "forbidden", _meta: { "dev.hopguard/denial": {} } }, "policy_denied"],
  ])("is the request %s with %j", async (method, params, code) => {
    const { client, server } = await connected();
    expect(await denialFor(client, method, params)).toMatchObject({ code });
    // The guard may have asked what there is.
    expect(server.requests.filter(({ method }) => method !== "tools/list")).toEqual([]);
  });

  it("is a resource whose URI a server could read in another way", async () => {
    const { client, server } = await connected();
    for (const uri of [
      "doc://public/../private/1",
      "doc://public/%2e%2e/private/1",
      "doc://public/%2E./private/1",
      "doc://public/..%2Fprivate/1",
      "doc://public/x/..%5c..%5cprivate",
      "doc://public/%252e%252e%252fprivate/1",
      "doc://public/%2e%25252E%25252fprivate/1",
      "doc://public/100%25/%25%32%65./private",
      `doc://public/%${"25".repeat(100_000)}2e/1`,
      "doc://public/./1",
      "doc://public/\t../private",
      " doc://public/1",
      "doc://public/1\n",
      "doc://public/a b",
      "doc://public/%zz",
      "DOC://public/1",
      "public/1",
      "",
    ]) {
      for (const method of ["resources/read", "resources/subscribe", "resources/unsubscribe"]) {
        expect(await denialFor(client, method, { uri }), uri).toMatchObject({ code: "arguments_invalid" });
      }
      const notifications = { resourceSubscriptions: ["doc://public/1", uri] };
      expect(await denialFor(client, "subscriptions/listen", { notifications }), uri).toMatchObject({
        code: "arguments_invalid",
      });
    }
    expect(server.requests).toEqual([]);
    for (const uri of [
      "doc://public/1",
      "doc://public/%20/a..b?q=..",
      "doc://public/100%25",
      "doc://public/%2525e/%C3%A9",
    ]) {
      expect(await denialFor(client, "resources/read", { uri }), uri).toBeUndefined();
    }
  });

  describe("by tasks", () => {
    const withTasks = () =>
      raw(({ method }) => {
        if (method === "tools/list") return { tools };
        return method === "tools/call"
          ? { task: { taskId: "of-the-first", status: "working" } }
          : { tasks: [{ taskId: "of-the-first" }, { taskId: "of-another" }], taskId: "of-the-first" };
      });

    it("is naming those of another session, whoever has started them", async () => {
      const server = await withTasks();
      const first = await open(server);
      await exchange(first, "tools/call", { name: "slow", arguments: {}, task: {} });
      const second = await open(server, await desk.session("user", { id: "another" }));
      await exchange(second, "tools/list");
      server.reset();
      for (const method of ["tasks/get", "tasks/result", "tasks/update", "tasks/cancel"]) {
        for (const taskId of ["of-the-first", "of-nobody", "__proto__", ["of-the-first"], undefined]) {
          const denial = await denialFor(second, method, { taskId });
          expect(denial?.code).toMatch(/unsupported_hop|arguments_invalid/);
        }
      }
      // What answers a request of a task, its server may hand to whoever fetches that task's result.
      for (const method of ["tools/call", "tools/list", "ping"]) {
        for (const task of [{ taskId: "of-the-first" }, { taskId: "of-nobody" }, {}, "of-the-first"]) {
          const meta = { "io.modelcontextprotocol/related-task": task };
          const params = { ...(method === "tools/call" && { name: "slow", arguments: {} }), _meta: meta };
          expect(await denialFor(second, method, params)).toMatchObject({ code: "unsupported_hop" });
        }
      }
      expect(server.requests).toEqual([]);
      expect((await exchange(second, "tasks/list")).result).toMatchObject({ tasks: [] });
      expect((await exchange(first, "tasks/list")).result).toMatchObject({
        tasks: [{ taskId: "of-the-first" }],
      });
    });

    it("loses them by no new connection: the session's own stay its own, with their tool", async () => {
      const server = await withTasks();
      await exchange(await open(server), "tools/call", { name: "slow", arguments: {}, task: {} });
      const again = await open(server);
      expect(await denialFor(again, "tasks/get", { taskId: "of-the-first" })).toBeUndefined();
      expect(desk.records.at(-1)).toMatchObject({ effect: "allow", hop: { action: "tasks/get" } });
      const _meta = { "io.modelcontextprotocol/related-task": { taskId: "of-the-first" } };
      expect(await denialFor(again, "ping", { _meta })).toBeUndefined();
      expect(await denialFor(again, "tasks/cancel", { taskId: "of-the-first" })).toMatchObject({
        code: "policy_denied",
      });
    });
  });

  describe("by what a server answers", () => {
    const answering = async (answer: Readonly<Record<string, unknown>>) => {
      const server = await raw(() => answer);
      return open(server);
    };

    it("is a list that asks for input beside, or says that it does", async () => {
      for (const inputRequests of [
        {},
        { a: { method: "elicitation/create", params: { message: "Who?" } } },
      ]) {
        const client = await answering({ tools, inputRequests });
        const { result } = await exchange(client, "tools/list");
        expect(result).toMatchObject({ tools: [{ name: "echo" }, { name: "slow" }], cacheScope: "private" });
      }
    });

    it.each([[[]], [[{ method: "sampling/createMessage" }]], ["x"], [null], [{ a: { method: "ping" } }]])(
      "is asking for input in another form: %j",
      async (inputRequests) => {
        const client = await answering({ tools, inputRequests });
        expect(await denialFor(client, "tools/list")).toMatchObject({ decision: "deny" });
      },
    );

    it("is structured content, of a call that is denied", async () => {
      const outputSchema = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };
      const server = await raw(() => ({ tools: [rawTool("forbidden", { outputSchema })] }));
      const client = await open(server);
      const { result } = await exchange(client, "tools/call", { name: "forbidden", arguments: {} });
      expect(findDenial(result)).toMatchObject({ code: "policy_denied" });
      expect(result).not.toHaveProperty("structuredContent");
      expect(server.requests.filter(({ method }) => method === "tools/call")).toEqual([]);
    });

    it("is a link to a resource, which is read by its own right", async () => {
      const link = { type: "resource_link", uri: "doc://private/1", name: "private" };
      const server = await raw(({ method }) => (method === "tools/list" ? { tools } : { content: [link] }));
      const client = await open(server);
      const { result } = await exchange(client, "tools/call", { name: "echo", arguments: {} });
      expect(result).toMatchObject({ content: [link] });
      expect(await denialFor(client, "resources/read", { uri: link.uri })).toMatchObject({
        code: "policy_denied",
      });
      expect(server.requests.filter(({ method }) => method === "resources/read")).toEqual([]);
    });
  });

  describe("by what a refusal tells, where denials are hidden", () => {
    it("is the difference between a tool that is hidden and one that is not there", async () => {
      const hidden = await desk.session("user", { guard: { denials: "hide" } });
      const server = await raw(() => ({
        tools: [
          rawTool("forbidden"),
          rawTool("forbidden_untyped", { inputSchema: { type: "object" } }),
          rawTool("forbidden_unreadable", { inputSchema: { $ref: "https://example.com/x" } }),
          rawTool("forbidden_twice"),
          rawTool("forbidden_twice"),
          rawTool("forbidden_meta"),
          rawTool("echo"),
          rawTool("constructor"),
        ],
      }));
      const inner: MetaTool = ({ name }) => ({ tool: name as string, arguments: {} });
      const metaTools = { constructor: inner, forbidden_meta: () => undefined };
      const schemas = { constructor: { type: "object", properties: { name: { type: "string" } } } };
      const client = await open(server, hidden, { metaTools, schemas });
      const names = ["", "_untyped", "_unreadable", "_twice", "_meta", "_unlisted"];
      const deep: unknown = Array.from({ length: 200 }).reduce<unknown>((inner) => ({ inner }), {});
      const given = [{}, { text: "x" }, { text: 1 }, null, [], "{}", deep];
      const told = new Set<string>();
      for (const name of names.map((end) => `forbidden${end}`)) {
        for (const args of given) {
          for (const task of [{}, { task: {} }]) {
            told.add(await shapeOf(client, name, { name, arguments: args, ...task }));
          }
        }
        const through = { name: "constructor", arguments: { name } };
        told.add(await shapeOf(client, name, through));
      }
      expect([...told]).toHaveLength(2);
      expect([...told].every((text) => text.includes('"code":"policy_denied"'))).toBe(true);
      expect(await denialFor(client, "prompts/get", { name: "secret" })).toEqual({
        ...(await denialFor(client, "prompts/get", { name: "secret" })),
        decision_id: expect.any(String) as string,
      });
      expect(server.requests.filter(({ method }) => method === "tools/call")).toEqual([]);
    });
  });
});

/** A denied answer without what names the call: what is left must not tell one from another. */
async function shapeOf(client: AnyMcpClient, name: string, params: object): Promise<string> {
  const { result, error } = await exchange(client, "tools/call", params);
  const id = findDenial(result ?? error)?.decision_id ?? "none";
  return JSON.stringify({ result, error }).replaceAll(id, "ID").replaceAll(name, "NAME");
}

describe("a refusal of guardTools, where denials are hidden", () => {
  it("does not tell what is wrong with a call of a tool that may never be used", async () => {
    const session = await desk.session("user", { guard: { denials: "hide" } });
    const schema = z.object({ text: z.string() });
    const run = (_args: unknown) => "ran";
    const inner: MetaTool = ({ name }) => ({ tool: name as string, arguments: { text: 1 } });
    const guarded = guardTools(
      {
        forbidden: { inputSchema: schema, execute: run },
        untyped: run,
        meta: { inputSchema: schema, execute: run },
        constructor: { inputSchema: z.object({ name: z.string() }), execute: run },
      },
      session,
      { toolset: "lab", metaTools: { meta: () => undefined, constructor: inner } },
    );
    const deep: unknown = Array.from({ length: 200 }).reduce<unknown>((inner) => ({ inner }), {});
    const calls = [{ text: "x" }, { text: 1 }, null, [], "x", 7, { text: deep }].flatMap((args) => [
      guarded.forbidden.execute(args as never),
      guarded.untyped(args as never),
      guarded.meta.execute(args as never),
    ]);
    const through = ["forbidden", "unlisted", "meta"].map((name) => guarded.constructor.execute({ name }));
    const told = await Promise.all(
      [...calls, ...through].map(async (call) => {
        const { decision_id: _, hop: __, ...rest } = await denialOf(call);
        return JSON.stringify(rest);
      }),
    );
    expect([...new Set(told)]).toEqual([
      '{"decision":"deny","code":"policy_denied","reason":"The policy does not allow this.","retryable":false}',
    ]);
  });
});

/** Keeps events in their order. */
class OrderedEvents implements EventStore {
  readonly #events: { readonly id: string; readonly stream: string; readonly message: JSONRPCMessage }[] = [];

  storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    const id = `${stream}_${this.#events.length}`;
    this.#events.push({ id, stream, message });
    return Promise.resolve(id);
  }

  async replayEventsAfter(
    last: string,
    { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> },
  ): Promise<string> {
    const at = this.#events.findIndex(({ id }) => id === last);
    const stream = this.#events[at]?.stream ?? "";
    for (const event of this.#events.slice(at + 1)) {
      if (event.stream === stream && "jsonrpc" in event.message) await send(event.id, event.message);
    }
    return stream;
  }
}

/** A server of SDK 1 whose streams can be resumed by whoever names an event, in one session for all. */
async function resumable(): Promise<RunningMcpServer> {
  const mcp = new McpServer({ name: "resumable", version: "1.0.0" });
  for (const name of ["echo", "forbidden"]) {
    mcp.registerTool(name, { inputSchema: { text: z.string().optional() } }, () => ({
      content: [{ type: "text", text: name }],
    }));
  }
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: () => "one",
    eventStore: new OrderedEvents(),
  });
  await mcp.connect(transport);
  const server = await startMcpServer({
    fetch: (request) => transport.handleRequest(request),
    close: () => mcp.close(),
  });
  onTestFinished(() => server.stop());
  return server;
}

describe.each([
  ["client 1.10", oldestSdk1],
  ["client 1.x", sdk1],
] as const)("resuming a stream, with %s", (_name, sdk) => {
  const namesIn = (list: unknown) => (list as { tools?: { name: string }[] }).tools?.map(({ name }) => name);

  /** A client, and the tokens of a tool list that it has asked for. */
  async function listing() {
    const server = await resumable();
    const client = await connect1(server.url, user, { server: "lab" }, {}, sdk);
    const tokens: string[] = [];
    const onresumptiontoken = (token: string): void => void tokens.push(token);
    const list = await client.request({ method: "tools/list" }, z.any() as never, { onresumptiontoken });
    expect(namesIn(list)).toEqual(["echo"]);
    await settled(server);
    server.reset();
    return { client, server, first: tokens[0] ?? "" };
  }

  it("gives no answer away as the answer to another request", async () => {
    const { client, server, first } = await listing();
    for (const request of [
      { method: "ping" },
      { method: "tools/list", params: { cursor: "x" } },
      { method: "tools/call", params: { name: "echo", arguments: {} } },
    ]) {
      const resumed = client.request(request, z.any() as never, { resumptionToken: first });
      expect(findDenial(await resumed.catch((error: unknown) => error))).toMatchObject({
        code: "unsupported_hop",
        hop: { action: request.method },
      });
    }
    expect(server.httpRequests).toBe(0);
  });

  it("gives no answer away to another session, nor for a token that nobody was told", async () => {
    const { server, first } = await listing();
    const other = await desk.session("user", { id: "another" });
    const transport = guardTransport(
      new sdk.StreamableHTTPClientTransport(new URL(server.url), { sessionId: "one" }),
      other,
      { server: "lab" },
    );
    const received: unknown[] = [];
    transport.onmessage = (message: unknown) => void received.push(message);
    await transport.start();
    onTestFinished(() => transport.close());
    for (const resumptionToken of [first, "guessed", "__proto__", ""]) {
      await transport.send({ jsonrpc: "2.0", id: 1, method: "tools/list" }, { resumptionToken });
    }
    expect(received.map((message) => findDenial((message as { error?: unknown }).error)?.code)).toEqual(
      Array.from({ length: 4 }, () => "unsupported_hop"),
    );
    const notification = { jsonrpc: "2.0", method: "notifications/roots/list_changed" } as const;
    await expect(transport.send(notification, { resumptionToken: first })).rejects.toBeInstanceOf(
      AuthorizationDeniedError,
    );
    expect(server.httpRequests).toBe(0);
  });

  // A 1.10 client is told of no event before the answer, after which there is nothing left to resume.
  it.runIf(sdk === sdk1)(
    "is decided again for the request that began it, on any connection of the session, and its answer is reviewed",
    async () => {
      const { server, first } = await listing();
      const transport = guardTransport(
        new sdk.StreamableHTTPClientTransport(new URL(server.url), { sessionId: "one" }),
        user,
        { server: "lab" },
      );
      const received: { readonly id?: unknown; readonly result?: unknown }[] = [];
      transport.onmessage = (message: unknown) => void received.push(message as never);
      await transport.start();
      onTestFinished(() => transport.close());
      transport.setProtocolVersion("2025-06-18");
      await transport.send({ jsonrpc: "2.0", id: 77, method: "tools/list" }, { resumptionToken: first });
      await expect.poll(() => received).toHaveLength(1);
      expect(received[0]?.id).toBe(77);
      expect(namesIn(received[0]?.result)).toEqual(["echo"]);
      expect(desk.records).toContainEqual(
        expect.objectContaining({
          effect: "allow",
          hop: { kind: "mcp_lab", name: "lab", action: "tools/list" },
        }),
      );
    },
  );
});

const authProvider: OAuthClientProvider = {
  redirectUrl: "http://127.0.0.1:9/callback",
  clientMetadata: { redirect_uris: ["http://127.0.0.1:9/callback"] },
  clientInformation: () => ({ client_id: "test" }),
  tokens: () => undefined,
  saveTokens: () => undefined,
  redirectToAuthorization: () => undefined,
  saveCodeVerifier: () => undefined,
  codeVerifier: () => "verifier",
};

describe.each([
  ["1.x", HttpTransport1],
  ["2.x", HttpTransport2],
] as const)("what else a transport of SDK %s can do", (_line, HttpTransport) => {
  const denied = (server: RunningMcpServer) =>
    guardTransport(
      new HttpTransport(new URL(server.url), { sessionId: "one", authProvider: authProvider as never }),
      user,
      { server: "closed" },
    );

  it("is not done to a server that is denied: nothing is asked of it, not even where to sign in", async () => {
    const server = await lab();
    const transport = denied(server);
    for (const act of [
      () => transport.start(),
      () => transport.terminateSession(),
      () => transport.finishAuth("code"),
    ]) {
      expect(await denialOf(act())).toMatchObject({ hop: { kind: "mcp_closed", action: "initialize" } });
    }
    expect(server.httpRequests).toBe(0);
  });

  it("is not to be had past the guard", async () => {
    const server = await lab();
    const guarded = denied(server);
    const known = new Set(["start", "send", "close", "terminateSession", "finishAuth", "setProtocolVersion"]);
    const others = Object.getOwnPropertyNames(HttpTransport.prototype).filter(
      (name) => !known.has(name) && !["constructor", "sessionId", "protocolVersion"].includes(name),
    );
    expect(others).toContain("resumeStream");
    expect(others.filter((name) => name in guarded)).toEqual([]);
    expect(guarded.constructor).not.toBe(HttpTransport);
  });

  it("ends the session of a server that is open", async () => {
    const server = await lab();
    const transport = guardTransport(new HttpTransport(new URL(server.url), { sessionId: "one" }), user, {
      server: "lab",
    });
    await transport.start();
    onTestFinished(() => transport.close());
    await transport.terminateSession();
    expect(server.httpRequests).toBe(1);
  });
});

describe("a 2.x client that goes by what it has known before", () => {
  const prior = {
    modern: {
      kind: "modern" as const,
      discover: {
        resultType: "complete" as const,
        supportedVersions: ["2026-07-28"],
        capabilities: { tools: {} },
        serverInfo: { name: "raw", version: "1.0.0" },
        ttlMs: 60_000,
        cacheScope: "public" as const,
      },
    },
    legacy: { kind: "legacy" as const },
  };

  it.each(["modern", "legacy"] as const)("opens no server that is denied (%s)", async (era) => {
    const server = await lab();
    const client = new Client2({ name: "test", version: "1.0.0" });
    const transport = guardTransport(new HttpTransport2(new URL(server.url)), user, { server: "closed" });
    expect(await denialOf(client.connect(transport, { prior: prior[era] }))).toMatchObject({
      hop: { kind: "mcp_closed", action: "initialize" },
    });
    expect(server.httpRequests).toBe(0);
  });

  it.each(["modern", "legacy"] as const)("calls no tool that is denied (%s)", async (era) => {
    const server = await lab();
    const client = new Client2({ name: "test", version: "1.0.0" });
    const transport = guardTransport(new HttpTransport2(new URL(server.url)), user, { server: "lab" });
    await client.connect(transport, { prior: prior[era] });
    onTestFinished(() => client.close());
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(["echo", "slow"]);
    expect(findDenial(await client.callTool({ name: "forbidden", arguments: {} }))).toMatchObject({
      code: "policy_denied",
    });
    expect(server.requests.filter(({ method }) => method === "tools/call")).toEqual([]);
  });
});

describe("the headers that repeat arguments", () => {
  const region = { type: "string", "x-mcp-header": "Region" };
  const properties = {
    region,
    at: { type: "object", properties: { zone: { ...region, "x-mcp-header": "Zone" } } },
  };
  const inputSchema = { type: "object", properties };

  /** Calls on revision 2026-07-28. Resolves to what the server was told in headers, without what the SDK says itself. */
  async function told(args: Record<string, unknown>, options: object = {}, schemas = {}) {
    const server = await raw(({ method }) =>
      method === "tools/list" ? { tools: [rawTool("echo", { inputSchema })] } : rawText("done"),
    );
    let headers: Headers | undefined;
    const fetch: typeof globalThis.fetch = (input, init) => {
      headers = new Headers(init?.headers);
      return globalThis.fetch(input, init);
    };
    const client = new Client2({ name: "test", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
    const transport = guardTransport(new HttpTransport2(new URL(server.url), { fetch }), user, {
      server: "lab",
      schemas,
    });
    onTestFinished(() => client.close());
    await client.connect(transport);
    await client.listTools();
    await client.callTool({ name: "echo", arguments: args }, options);
    expect(server.requests.at(-1)).toMatchObject({ method: "tools/call" });
    const names = ["Mcp-Param-Region", "Mcp-Param-Zone", "Mcp-Param-Other", "Trace"];
    return names.map((name) => headers?.get(name) ?? null);
  }

  it("say what was checked, and not what the caller would have them say", async () => {
    const lies = { "mcp-param-region": "us", "Mcp-Param-ZONE": "1", "Mcp-Param-Other": "x", Trace: "t" };
    const toolDefinition = { name: "echo", inputSchema: { type: "object" } };
    const args = { region: "eu", at: { zone: "caf\u00e9" } };
    const zone = "=?base64?Y2Fmw6k=?=";
    expect(await told(args)).toEqual(["eu", zone, null, null]);
    expect(await told(args, { headers: lies, toolDefinition })).toEqual(["eu", zone, null, "t"]);
  });

  it("say what a schema has made of the arguments", async () => {
    const schemas = { echo: z.object({ region: z.string().toLowerCase() }) };
    expect(await told({ region: "EU" }, {}, schemas)).toEqual(["eu", null, null, null]);
  });
});

/** Waits until nothing more arrives: a client opens its stream for the server's messages some time after it has connected. */
async function settled(server: RunningMcpServer): Promise<void> {
  let seen = -1;
  while (seen !== server.httpRequests) {
    seen = server.httpRequests;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

describe("what no policy is asked about", () => {
  it("does not reach a server that the session may not open any more", async () => {
    const sent: unknown[] = [];
    const received: unknown[] = [];
    const errors: unknown[] = [];
    const inner = {
      start: () => Promise.resolve(),
      close: () => Promise.resolve(),
      send: (message: unknown) => Promise.resolve(void sent.push(message)),
    };
    const session = await desk.session("user", { id: "leaving" });
    const transport = Object.assign(guardTransport(inner, session, { server: "lab" }), {
      onmessage: (message: unknown) => void received.push(message),
      onerror: (error: unknown) => void errors.push(error),
    });
    await transport.start();
    onTestFinished(() => transport.close());
    const progress = {
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progressToken: 1, progress: 1, message: "what the agent has found out" },
    };
    const cancelled = {
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: "none", reason: "what the agent has found out" },
    };
    const ping = { jsonrpc: "2.0", id: 1, method: "ping", params: { _meta: { note: "likewise" } } };
    const said = [progress, cancelled, ping];
    for (const message of said) await transport.send(message);
    expect(sent).toEqual(said);

    await session.end();
    await expect.poll(() => desk.records.map(({ code }) => code), { timeout: 2000 }).toContain("revoked");
    sent.length = 0;
    for (const message of [progress, cancelled, { ...ping, id: 2 }]) await transport.send(message);
    expect(sent).toEqual([]);
    expect(received).toContainEqual(expect.objectContaining({ id: 2, error: expect.anything() as unknown }));
    expect(errors.filter((error) => findDenial(error)?.code === "revoked")).toHaveLength(2);
    expect(desk.records.at(-1)).toMatchObject({ code: "revoked", hop: { action: "initialize" } });
  });
});
