import { setTimeout as delay } from "node:timers/promises";
import type { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { EmptyResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { findDenial, type Denial, type GuardOptions, type Session } from "hopguard";
import { guardTransport } from "hopguard/mcp";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { startMcpServer, type RunningMcpServer } from "../../../examples/support-desk/servers/mcp-http";
import { connect1, MCP_CLIENTS, sdk1, sdk2, type AnyMcpClient } from "../../support/mcp-clients";
import { LAB_POLICY } from "../../support/mcp-policy";
import { rawText, rawTool, startRawMcpServer, type RawAnswer } from "../../support/raw-mcp-server";
import { denialIn, expectNothingSent, onEveryPdp, openStage, type Stage } from "../../support/threats";

const call = (name: unknown = "refund", args: unknown = { amount_cents: 4000 }) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name, arguments: args },
});
const withMember = (text: string, member: string) => JSON.parse(text.replace("{", `{${member},`)) as object;
const own = (object: object, name: string, value: unknown): object =>
  Object.defineProperty({ ...object }, name, { value, enumerable: true });

/** Messages that are not one request which somebody could decide. */
const wrongMessages: readonly [string, unknown][] = [
  ["a batch of one", [call()]],
  ["a batch of a ping and a call", [{ jsonrpc: "2.0", id: 2, method: "ping" }, call()]],
  ["an empty batch", []],
  ["a batch within a batch", [[call()]]],
  ["a batch that looks like an object", Object.assign([call()], call())],
  ["a notification that calls a tool", { ...call(), id: undefined }],
  ["a call with null for an id", { ...call(), id: null }],
  ["a call with an object for an id", { ...call(), id: { x: 1 } }],
  ["a call with true for an id", { ...call(), id: true }],
  ["a call with NaN for an id", { ...call(), id: Number.NaN }],
  ["a notification of a method that is asked", { jsonrpc: "2.0", method: "tools/list" }],
  ["an unknown notification", { jsonrpc: "2.0", method: "notifications/tools/call", params: call().params }],
  ["a call that is an answer as well", { ...call(), result: {} }],
  ["a call that is an error as well", { ...call(), error: { code: 1, message: "x" } }],
  ["an answer to what nobody asked", { jsonrpc: "2.0", id: 1, result: call() }],
  ["a list of parameters", { ...call(), params: ["refund", { amount_cents: 1 }] }],
  ["parameters in a text", { ...call(), params: JSON.stringify(call().params) }],
  ["no parameters", { ...call(), params: undefined }],
  ["null for parameters", { ...call(), params: null }],
  ["a method in a list", { ...call(), method: ["tools/call"] }],
  ["Method beside method", { ...call(), Method: "ping" }],
  ["METHOD alone", { jsonrpc: "2.0", id: 1, METHOD: "tools/call", params: call().params }],
  ["Params beside params", { ...call(), Params: { name: "payout" } }],
  ["params with a long s", { ...call(), "param\u017f": { name: "payout" } }],
  ["ID beside id", { ...call(), ID: 2 }],
  ["Name beside name", { ...call(), params: { ...call().params, Name: "payout" } }],
  ["Arguments beside arguments", { ...call(), params: { ...call().params, Arguments: {} } }],
  ["__proto__ in the message", withMember(JSON.stringify(call()), '"__proto__":{"method":"ping"}')],
  [
    "__proto__ in the parameters",
    { ...call(), params: withMember(JSON.stringify(call().params), '"__proto__":{}') },
  ],
  ["a control character in a member's name", own(call(), "method\u0000", "ping")],
  ["ill-formed Unicode", call("refund\ud800")],
  [
    "a cycle",
    (() => {
      const message: Record<string, unknown> = { ...call() };
      message.self = message;
      return message;
    })(),
  ],
  ["a text", JSON.stringify(call())],
  ["nothing", undefined],
  ["null", null],
  ["a number", 7],
  ["an empty object", {}],
  [
    "300 levels",
    { ...call(), params: { name: "refund", arguments: { amount_cents: 1, memo: nested(300) } } },
  ],
];

const unknownMethods = [
  "tools/exec",
  "Tools/call",
  "TOOLS/CALL",
  "tools/call ",
  " tools/call",
  "tools/call\n",
  "tools//call",
  "tools/call/refund",
  "tools\\call",
  "tools.call",
  "tооls/call",
  "tool/call",
  "rpc.discover",
  "",
  "*",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "sampling/createMessage",
  "elicitation/create",
  "roots/list",
  "notifications/initialized",
  "batch",
];

onEveryPdp("an MCP server behind a guard", (pdp) => {
  let stage: Stage;
  let clerk: Session;
  let user: Session;

  const restricted = { ...LAB_POLICY, rules: [...LAB_POLICY.rules] };
  beforeAll(async () => {
    stage = await openStage(pdp, { policies: [restricted] });
    clerk = await stage.session("clerk", { guard: { repeats: false } });
    user = await stage.session("user", { guard: { repeats: false } });
  });
  afterAll(() => stage.close());
  beforeEach(() => stage.reset());

  async function raw(answer: RawAnswer): Promise<RunningMcpServer> {
    const server = await startRawMcpServer(answer);
    onTestFinished(() => server.stop());
    return server;
  }
  const methods = ({ requests }: RunningMcpServer) => requests.map(({ method }) => method);

  describe.each([
    ["SDK 1", sdk1],
    ["SDK 2", sdk2],
  ])("reached by a transport of %s", (_, { StreamableHTTPClientTransport }) => {
    /** A guarded transport with nobody above it, so that a message is what the test makes it. */
    async function opened(): Promise<{ send: (message: unknown) => Promise<void>; received: unknown[] }> {
      const guarded = guardTransport(
        new StreamableHTTPClientTransport(new URL(stage.till.url)) as never,
        clerk,
        { server: "till" },
      ) as unknown as {
        start(): Promise<void>;
        send(message: unknown): Promise<void>;
        close(): Promise<void>;
        onmessage: (message: unknown) => void;
        onerror: (error: Error) => void;
      };
      const received: unknown[] = [];
      guarded.onmessage = (message) => received.push(message);
      guarded.onerror = () => undefined;
      await guarded.start();
      onTestFinished(() => guarded.close());
      return { send: (message) => guarded.send(message), received };
    }

    it.each(wrongMessages)("sends nothing for %s", async (_name, message) => {
      const { send } = await opened();
      await send(message).catch((error: unknown) =>
        expect(findDenial(error)).toMatchObject({ decision: "deny" }),
      );
      await delay(5);
      expect(methods(stage.till)).not.toContain("tools/call");
      expect(stage.till.httpRequests, JSON.stringify(methods(stage.till))).toBe(0);
      expectNothingSent(stage);
    });

    it.each(unknownMethods)("answers a request of the method %j with a denial of its own", async (method) => {
      const { send, received } = await opened();
      await send({ ...call(), method });
      expect(findDenial((received[0] as { error?: object } | undefined)?.error)).toMatchObject({
        code: "unsupported_hop",
      });
      expect(stage.till.httpRequests).toBe(0);
    });

    it("sends what was checked, whatever happens to the message right after", async () => {
      const { send } = await opened();
      const message = call();
      const pending = send(message);
      Object.assign(message, { method: "tools/list" });
      Object.assign(message.params, { name: "payout" });
      Object.assign(message.params.arguments as object, { amount_cents: 9000 });
      await pending;
      expect(stage.till.requests.filter(({ method }) => method === "tools/call")).toEqual([
        { method: "tools/call", tool: "refund", arguments: { amount_cents: 4000 } },
      ]);
    });

    it("sends what a getter, a proxy and toJSON say the first time", async () => {
      for (const make of [
        (name: () => string) =>
          Object.defineProperty({ ...call().params }, "name", { get: name, enumerable: true }),
        (name: () => string) =>
          new Proxy(call().params, {
            get: (target, key) => (key === "name" ? name() : (Reflect.get(target, key) as unknown)),
          }),
        (name: () => string) => ({ toJSON: () => ({ ...call().params, name: name() }) }),
      ]) {
        let asked = 0;
        const { send } = await opened();
        await send({ ...call(), params: make(() => (asked++ === 0 ? "refund" : "vault_open")) });
      }
      const tools = stage.till.requests.flatMap(({ tool }) => tool ?? []);
      expect(tools).toEqual(["refund", "refund", "refund"]);
    });
  });

  describe.each(MCP_CLIENTS.filter(({ name }) => name.includes(".x")))(
    "reached by $name",
    ({ connect, callTool }) => {
      it.each([
        "Refund",
        "REFUND",
        "refund ",
        " refund",
        "refund\n",
        "refund\u0000",
        "refund\u200b",
        "ref\u0430nd",
        "refund*",
        "*",
        "ref?nd",
        "[r]efund",
        "{refund,payout}",
        "refund/",
        "/refund",
        "./refund",
        "../till/refund",
        "refund/../payout",
        "..",
        "a/b",
        "",
        "constructor",
        "__proto__",
        "toString",
        "hasOwnProperty",
        "refund".repeat(100),
      ])("a tool named %j is not the tool refund", async (name) => {
        const client = await connect(stage.till.url, clerk, { server: "till" });
        const denial = await denialIn(callTool(client, { name, arguments: { amount_cents: 1 } }));
        expect(["unsupported_hop", "policy_denied"]).toContain(denial.code);
        expectNothingSent(stage);
      });

      it("opens no server that the policy denies, and sends it not a byte", async () => {
        const upstream = await raw(catalogue);
        for (const server of ["vault", "nowhere", "constructor", "__proto__"]) {
          const error: unknown = await connect(upstream.url, clerk, { server }).catch(
            (caught: unknown) => caught,
          );
          expect(findDenial(error)).toMatchObject({
            code: "policy_denied",
            hop: { kind: `mcp_${server}`, action: "initialize" },
          });
        }
        expect(upstream.httpRequests).toBe(0);
      });

      const catalogue: RawAnswer = ({ method }) => {
        if (method === "tools/list")
          return {
            tools: ["echo", "forbidden", "spend", "wipe", "constructor", "to o", "echo*"].map((name) =>
              rawTool(name),
            ),
          };
        if (method === "prompts/list")
          return { prompts: [{ name: "greeting" }, { name: "secret" }, { name: "gree*" }] };
        if (method === "resources/list") return { resources: [] };
        return method === "tools/call" ? rawText("done") : undefined;
      };

      it("shows no tool and no prompt that may in no case be used", async () => {
        const client = await connect((await raw(catalogue)).url, user, { server: "lab" });
        expect((await client.listTools()).tools.map(({ name }) => name)).toEqual([
          "echo",
          "spend",
          "constructor",
        ]);
        expect((await client.listPrompts()).prompts.map(({ name }) => name)).toEqual(["greeting"]);
      });

      it("with denials hidden, answers what is hidden, what does not exist and what no policy can name alike", async () => {
        const hiding = await stage.session("user", { guard: { denials: "hide", repeats: false } });
        const server = await raw(catalogue);
        const client = await connect(server.url, hiding, { server: "lab" });
        const answers: unknown[] = [];
        for (const name of ["forbidden", "wipe", "no_such_tool", "to o", "echo*", "CONSTRUCTOR"]) {
          const denial = await denialIn(callTool(client, { name, arguments: { text: "x" } }));
          answers.push(faceless(denial));
          const wrong = await denialIn(callTool(client, { name, arguments: { text: 7 } }));
          answers.push(faceless(wrong));
        }
        expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toHaveLength(1);
        expect(methods(server)).not.toContain("tools/call");
      });

      it.each([
        "doc://public/../private/salaries",
        "doc://public/./../private",
        "doc://public/%2e%2e/private",
        "doc://public/%2E%2E%2Fprivate",
        "doc://public/..\\private",
        "doc://public/x/../../private",
        "doc://public/..",
      ])("does not read %s by a rule for doc://public/", async (uri) => {
        const server = await raw(({ method, params }) =>
          method === "resources/read"
            ? { contents: [{ uri: String(params?.uri), text: "secret" }] }
            : catalogue({ jsonrpc: "2.0", method }),
        );
        const client = await connect(server.url, user, { server: "lab" });
        await denialIn(client.readResource({ uri }));
        expect(methods(server)).not.toContain("resources/read");
      });

      it.each([
        "doc://private/x",
        "DOC://public/x",
        "doc://Public/x",
        " doc://public/x",
        "doc:public/x",
        "file:///etc/passwd",
        "doc://public",
        "",
      ])("does not read %j by a rule for doc://public/ either", async (uri) => {
        const server = await raw(catalogue);
        const client = await connect(server.url, user, { server: "lab" });
        await denialIn(client.readResource({ uri }));
        expect(methods(server)).not.toContain("resources/read");
      });
    },
  );

  it("takes no answer to an earlier request for one to a request that needs no asking", async () => {
    // A stream that is resumed answers what was asked before, under the id of the request that resumes it.
    const hidden = { tools: [rawTool("forbidden"), rawTool("echo")] };
    const server = await resumable({
      jsonrpc: "2.0",
      id: 99,
      result: { ...hidden, content: [{ type: "text", text: "the salaries" }] },
    });
    const client: Client1 = await connect1(server.url, user, { server: "lab" });
    const answer: object = await client
      .request({ method: "ping" }, EmptyResultSchema.loose(), { resumptionToken: "stream-1", timeout: 500 })
      .catch((error: unknown) => error as Error);
    expect(JSON.stringify(answer)).not.toMatch(/forbidden|salaries/);
  });

  it("keeps 100 interleaved calls of two users apart", async () => {
    const open = async (role: string, guard: Partial<GuardOptions> = {}) => {
      const session = await stage.session(role, { guard: { repeats: false, ...guard } });
      return connect1(stage.till.url, session, { server: "till" });
    };
    const clerks: AnyMcpClient = await open("clerk");
    const other = await stage.session("clerk", { id: "other", guard: { repeats: false } });
    await stage.guard.revoke({ principal: "nobody" });
    const others: AnyMcpClient = await connect1(stage.till.url, other, { server: "till" });
    const results = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const client = index % 2 === 0 ? clerks : others;
        const result = await client.callTool({
          name: "refund",
          arguments: { amount_cents: index % 3 === 0 ? 9000 + index : index },
        });
        return { denial: findDenial(result), index };
      }),
    );
    for (const { denial, index } of results) {
      expect(denial?.code).toBe(index % 3 === 0 ? "policy_denied" : undefined);
      if (!denial) continue;
      const [record] = stage.records.filter(({ decision_id }) => decision_id === denial.decision_id);
      expect(record?.subject.id).toBe(index % 2 === 0 ? "clerk-id" : "other");
    }
    const sent = stage.till.requests.flatMap(
      ({ arguments: args }) => (args as { amount_cents: number } | undefined)?.amount_cents ?? [],
    );
    expect(sent.sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, index) => index).filter((index) => index % 3 !== 0),
    );
  });
});

/** What is left of a denial without what the caller said, and what every denial has of its own. */
function faceless({ hop: _hop, decision_id: _id, ...rest }: Denial): object {
  return rest;
}

/** A server with streams that can be resumed: whoever resumes one is sent the answer. */
function resumable(answer: object): Promise<RunningMcpServer> {
  return startMcpServer({
    close: () => Promise.resolve(),
    async fetch(request) {
      if (request.method === "GET" && request.headers.has("last-event-id")) {
        return new Response(`id: 2\nevent: message\ndata: ${JSON.stringify(answer)}\n\n`, {
          headers: { "content-type": "text/event-stream" },
        });
      }
      if (request.method !== "POST") return new Response(null, { status: 405 });
      const { id, method, params } = (await request.json()) as {
        id?: number;
        method: string;
        params?: { protocolVersion: string };
      };
      if (id === undefined) return new Response(null, { status: 202 });
      const result =
        method === "initialize"
          ? {
              protocolVersion: params?.protocolVersion,
              capabilities: { tools: {} },
              serverInfo: { name: "raw", version: "1" },
            }
          : {};
      return Response.json({ jsonrpc: "2.0", id, result });
    },
  });
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}
