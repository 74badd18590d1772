import {
  acceptedContent,
  createMcpHandler,
  inputRequired,
  McpServer as McpServer2,
} from "@modelcontextprotocol/server";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer as McpServer1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  UrlElicitationRequiredError,
} from "@modelcontextprotocol/sdk/types.js";
import { findDenial, type Session } from "hopguard";
import { guardTransport } from "hopguard/mcp";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import {
  startMcpServer,
  type McpEndpoint,
  type RunningMcpServer,
} from "../../examples/support-desk/servers/mcp-http";
import { sessionEndpoint } from "../../examples/support-desk/servers/mcp-sessions";
import { openDesk, type Desk } from "../support/desk";
import { connect1, connect2, type AnyMcpClient } from "../support/mcp-clients";
import { LAB_POLICY } from "../support/mcp-policy";

let desk: Desk;
let user: Session;
/** The methods that the client was asked. */
let asked: string[];

beforeAll(async () => {
  const everything = [{ actions: ["*"], effect: "EFFECT_ALLOW" as const, roles: ["user"] }];
  desk = await openDesk({ policies: [LAB_POLICY, { ...LAB_POLICY, kind: "mcp_open", rules: everything }] });
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  asked = [];
  user = await desk.session("user");
});

async function serve(endpoint: McpEndpoint): Promise<RunningMcpServer> {
  const server = await startMcpServer(endpoint);
  onTestFinished(() => server.stop());
  return server;
}

const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };
const options = { server: "lab" };

const accept = (request: { method: string }) => {
  asked.push(request.method);
  return { action: "accept" as const, content: { name: "Noor" } };
};
const sample = (request: { method: string }) => {
  asked.push(request.method);
  return { model: "m", role: "assistant" as const, content: { type: "text" as const, text: "sampled" } };
};
const listRoots = (request: { method: string }) => {
  asked.push(request.method);
  return { roots: [] };
};

async function willing1({ url }: RunningMcpServer): Promise<AnyMcpClient> {
  const client = await connect1(url, user, options, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, accept);
  client.setRequestHandler(CreateMessageRequestSchema, sample);
  client.setRequestHandler(ListRootsRequestSchema, listRoots);
  return client;
}

async function willing2({ url }: RunningMcpServer, mode: "legacy" | "auto"): Promise<AnyMcpClient> {
  const client = await connect2(url, user, options, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler("elicitation/create", accept);
  client.setRequestHandler("sampling/createMessage", sample);
  client.setRequestHandler("roots/list", listRoots);
  return client;
}

const form = { type: "object" as const, properties: { name: { type: "string" as const } } };

/** On SDK 1: asks with requests of its own, and answers with what came back. */
function askingServer(): McpServer1 {
  const asking = new McpServer1({ name: "asking", version: "1.0.0" });
  asking.registerTool("ask", { inputSchema: { wish: z.string() } }, async ({ wish }) => {
    const { server } = asking;
    const wishes: Record<string, () => Promise<unknown>> = {
      form: () => server.elicitInput({ message: "Who?", requestedSchema: form }),
      url: () =>
        server.elicitInput({
          mode: "url",
          message: "Sign in",
          url: "https://example.com",
          elicitationId: "1",
        }),
      sample: () => server.createMessage({ messages: [], maxTokens: 10 }),
      roots: () => server.listRoots(),
      ping: () => server.ping(),
      unheard: () => server.request({ method: "wallet/open" }, z.any()),
    };
    const answer = await wishes[wish]?.().catch((error: unknown) => (error as Error).message);
    return { content: [{ type: "text", text: JSON.stringify(answer) }] };
  });
  return asking;
}

const ask = async (client: AnyMcpClient, wish: string): Promise<string> => {
  const { content } = await client.callTool({ name: "ask", arguments: { wish } });
  return (content as { text: string }[])[0]?.text ?? "";
};

describe.each([
  { name: "client 1.x", connect: willing1 },
  { name: "client 2.x", connect: (server: RunningMcpServer) => willing2(server, "legacy") },
])("a server that asks the client in requests, with $name", ({ connect }) => {
  it("reaches the client with what the policy allows", async () => {
    const server = await serve(sessionEndpoint(askingServer));
    const client = await connect(server);
    expect(await ask(client, "form")).toContain("Noor");
    expect(await ask(client, "ping")).toBe("{}");
    expect(asked).toEqual(["elicitation/create"]);
    expect(desk.records).toContainEqual(
      expect.objectContaining({
        effect: "allow",
        hop: { kind: "mcp_lab", name: "lab", action: "elicitation/create" },
      }),
    );
  });

  it.each([
    ["url", "elicitation/create", "policy_denied"],
    ["sample", "sampling/createMessage", "policy_denied"],
    ["roots", "roots/list", "policy_denied"],
    ["unheard", "wallet/open", "unsupported_hop"],
  ])("is answered in the client's place when it wants %s", async (wish, action, code) => {
    const server = await serve(sessionEndpoint(askingServer));
    const client = await connect(server);
    const answer = await ask(client, wish);
    expect(answer).toContain("The client does not allow this.");
    expect(answer, "the policy's words are for the agent").not.toContain("policy");
    expect(asked).toEqual([]);
    expect(desk.records).toContainEqual(
      expect.objectContaining({ effect: "deny", code, hop: { kind: "mcp_lab", name: "lab", action } }),
    );
  });
});

describe("a server of revision 2026-07-28 that asks within its results", () => {
  const wishes = {
    form: inputRequired.elicit({ message: "Who?", requestedSchema: form }),
    url: inputRequired.elicitUrl({ message: "Sign in", url: "https://example.com" }),
    sample: inputRequired.createMessage({ messages: [], maxTokens: 10 }),
    roots: inputRequired.listRoots(),
  };
  const askingInResults = (): McpEndpoint =>
    createMcpHandler(() => {
      const server = new McpServer2({ name: "asking", version: "2.0.0" });
      server.registerTool(
        "ask",
        { inputSchema: z.strictObject({ wish: z.string() }) },
        ({ wish }, context) => {
          const content = acceptedContent(context.mcpReq.inputResponses, wish);
          if (content) return { content: [{ type: "text", text: JSON.stringify(content) }] };
          const inputRequests = Object.fromEntries(
            wish.split("+").map((name) => [name, wishes[name as keyof typeof wishes]]),
          );
          return inputRequired({ inputRequests });
        },
      );
      return server;
    });

  it("reaches the client with what the policy allows, and the second round is decided anew", async () => {
    const server = await serve(askingInResults());
    const client = await willing2(server, "auto");
    expect(await ask(client, "form")).toContain("Noor");
    expect(asked).toEqual(["elicitation/create"]);
    const calls = desk.records.filter(({ hop }) => hop.action === "tools/call/ask");
    expect(calls).toHaveLength(2);
  });

  it.each(["url", "sample", "roots", "form+sample"])(
    "is denied with its call when it wants %s",
    async (wish) => {
      const server = await serve(askingInResults());
      const client = await willing2(server, "auto");
      const result = await client.callTool({ name: "ask", arguments: { wish } });
      expect(result.isError).toBe(true);
      expect(findDenial(result)).toMatchObject({ code: "policy_denied" });
      expect(asked).toEqual([]);
    },
  );
});

describe("a server that asks without end", () => {
  it("is heard as far as somebody could answer, and keeps nobody else waiting", async () => {
    const [near, server] = InMemoryTransport.createLinkedPair();
    const client = guardTransport(near, user, options);
    const errors: string[] = [];
    let answered = 0;
    client.onmessage = (message) => void asked.push((message as { method: string }).method);
    client.onerror = ({ message }) => void errors.push(message);
    server.onmessage = () => {
      answered++;
    };
    await client.start();
    onTestFinished(() => client.close());
    const put = (id: number, method: string) =>
      server.send({ jsonrpc: "2.0", id, method, params: { maxTokens: id, messages: [] } });
    for (let id = 0; id < 1000; id++) await put(id, "sampling/createMessage");
    await put(1000, "ping");
    expect(asked).toEqual(["ping"]);
    await expect.poll(() => answered).toBe(100);
    expect(errors).toHaveLength(900);
    expect(desk.records.filter(({ hop }) => hop.action === "sampling/createMessage")).toHaveLength(100);
    await put(1001, "sampling/createMessage");
    await expect.poll(() => answered).toBe(101);
  });
});

describe("a server that asks for less than nothing", () => {
  it("is not below a limit of the policy's: a negative number is none", async () => {
    const limited = { match: { expr: "R.attr.max_tokens <= 100.0" } };
    const allow = { effect: "EFFECT_ALLOW" as const, roles: ["user"] };
    const rules = [
      { ...allow, actions: ["initialize"] },
      { ...allow, actions: ["sampling/createMessage"], condition: limited },
    ];
    const sampling = await openDesk({ policies: [{ ...LAB_POLICY, kind: "mcp_sampling", rules }] });
    onTestFinished(() => sampling.close());
    const [near, server] = InMemoryTransport.createLinkedPair();
    const client = guardTransport(near, await sampling.session("user"), { server: "sampling" });
    const heard: unknown[] = [];
    const answers: unknown[] = [];
    client.onmessage = (message) => void heard.push((message as { id: unknown }).id);
    server.onmessage = (message) => void answers.push(message);
    await client.start();
    onTestFinished(() => client.close());
    for (const [id, maxTokens] of [-1, 101, 100].entries()) {
      const params = { maxTokens, messages: [] };
      await server.send({ jsonrpc: "2.0", id, method: "sampling/createMessage", params });
    }
    await expect.poll(() => heard.length + answers.length).toBe(3);
    expect(heard).toEqual([2]);
    expect(answers).toMatchObject([{ error: {} }, { error: {} }]);
  });
});

describe("a server that asks again under an id that is under way", () => {
  it("is not heard, and leaves nothing behind that goes on", async () => {
    const [near, server] = InMemoryTransport.createLinkedPair();
    const client = guardTransport(near, user, options);
    const errors: string[] = [];
    const answers: unknown[] = [];
    client.onmessage = (message) => void asked.push((message as { method: string }).method);
    client.onerror = ({ message }) => void errors.push(message);
    server.onmessage = (message) => void answers.push(message);
    await client.start();
    onTestFinished(() => client.close());
    const put = (method: string) =>
      server.send({
        jsonrpc: "2.0",
        id: 7,
        method,
        params: { message: "Who?", requestedSchema: form },
      } as never);
    await put("elicitation/create");
    await put("elicitation/create");
    await expect.poll(() => asked).toEqual(["elicitation/create"]);
    await put("ping");
    await put("elicitation/create");
    expect(errors).toHaveLength(3);
    const answer = { jsonrpc: "2.0", id: 7, result: { action: "decline" } };
    await client.send(answer as never);
    await client.send(answer as never);
    expect(answers).toEqual([answer]);
    await put("ping");
    expect(asked).toEqual(["elicitation/create", "ping"]);
  });
});

describe.each([
  { name: "client 1.x", connect: connect1 },
  { name: "client 2.x", connect: connect2 },
])("a server that asks within an error, with $name", ({ connect }) => {
  const page = { mode: "url" as const, message: "Sign in", url: "https://example.com", elicitationId: "1" };
  /** What the call fails with, or is answered with. */
  const call = async (elicitations: readonly unknown[], name = "lab"): Promise<unknown> => {
    const server = await serve(
      sessionEndpoint(() => {
        const failing = new McpServer1({ name: "failing", version: "1.0.0" });
        failing.registerTool("ask", { inputSchema: {} }, () => {
          throw new UrlElicitationRequiredError(elicitations as (typeof page)[]);
        });
        return failing;
      }),
    );
    const client: AnyMcpClient = await connect(server.url, user, { server: name });
    return client.callTool({ name: "ask", arguments: {} }).catch((error: unknown) => error);
  };

  it("reaches the client with what the policy allows", async () => {
    expect(await call([page], "open")).toMatchObject({ code: -32042, data: { elicitations: [page] } });
    const [record] = desk.records.filter(({ hop }) => hop.action === "elicitation/create");
    expect(record).toMatchObject({ effect: "allow", hop: { kind: "mcp_open" } });
  });

  it.each([
    ["a URL that the policy does not allow", [page], "policy_denied"],
    ["a form", [{ ...page, mode: "form" }], "unsupported_hop"],
    ["what does not say its mode", [{ ...page, mode: undefined }], "unsupported_hop"],
    ["more than anybody could answer", Array.from({ length: 101 }, () => page), "unsupported_hop"],
    ["a URL, and something unreadable", [page, "Sign in"], "unsupported_hop"],
  ])("is denied with its call when it wants %s", async (_what, elicitations, code) => {
    const answer = await call(elicitations);
    expect(findDenial(answer)).toMatchObject({ code });
    expect(JSON.stringify(answer)).not.toContain("example.com");
  });
});
