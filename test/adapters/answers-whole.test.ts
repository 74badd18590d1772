import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { ConfigurationError, findDenial, type Denial, type Session } from "hopguard";
import { guardAnthropic } from "hopguard/anthropic";
import { guardFetch, type Fetch, type ToolMap } from "hopguard/fetch";
import { guardOpenAI } from "hopguard/openai";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { Turn } from "../../examples/shared/local-provider";
import {
  answered,
  anthropicBlocks,
  byteFormats,
  chat,
  messages,
  responseItems,
  responseObject,
  responses,
  type ByteFormat,
  type Scripted,
} from "../support/answer-bytes";
import { declaredTools } from "../support/answers";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { denialOf, openaiLines } from "../support/model-sdks";

const tools = {
  customer_get: { server: "crm" },
  credit: { server: "crm" },
  note: { toolset: "desk" },
} as const satisfies ToolMap;

const small = { name: "credit", json: '{"amount_cents":100}' };
const large = { name: "credit", json: '{"amount_cents":900000}' };
const note = { name: "note", json: '{"text":"Hello"}' };

let desk: Desk;
let analyst: Session;
let turn: Turn = {};

beforeAll(async () => {
  desk = await openDesk({
    policies: labPolicies,
    provider: { turn: ({ toolResults }) => (toolResults.length > 0 ? { text: "Done." } : turn) },
  });
  analyst = await desk.session("analyst");
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

/** An answer in one piece, with some text and calls. */
function whole({ name }: ByteFormat, calls: readonly (typeof small)[], text = "Hello"): object {
  const answer = { text, calls };
  if (name === "responses") return responseObject(responseItems(answer));
  if (name === "messages")
    return { id: "msg_1", type: "message", content: anthropicBlocks(answer), stop_reason: "tool_use" };
  const tool_calls = calls.map(({ name, json }, index) => ({
    id: `call_${index}`,
    type: "function",
    function: { name, arguments: json },
  }));
  return {
    id: "c",
    object: "chat.completion",
    choices: [
      { index: 0, message: { role: "assistant", content: text, tool_calls }, finish_reason: "tool_calls" },
    ],
  };
}

async function read(
  format: ByteFormat,
  body: object | string,
  options: Partial<Scripted> = {},
): Promise<{ status: number; text: string; json: Record<string, unknown> }> {
  const given = typeof body === "string" ? body : JSON.stringify(body);
  const response = await answered(format, analyst, given, {
    tools,
    contentType: "application/json",
    ...options,
  });
  const text = await response.text();
  return { status: response.status, text, json: JSON.parse(text) as Record<string, unknown> };
}

describe.each(byteFormats)("an answer of $name in one piece", (format) => {
  it("passes byte for byte when every call is allowed", async () => {
    const given = JSON.stringify(whole(format, [small, note]), undefined, 2);
    expect((await read(format, given)).text).toBe(given);
    const plain = '{"id":"x","unknown":[1.50,"\\u00e9"]}';
    expect((await read(format, plain)).text).toBe(plain);
  });

  it("keeps what is allowed and everything else, when a call is denied", async () => {
    const { text, status } = await read(format, whole(format, [small, large, note]));
    expect(status).toBe(200);
    expect(text).not.toContain("900000");
    expect(text).toContain("Hello");
    expect(text).toContain("amount_cents");
    expect(text).toContain("note");
  });

  it("asks about all of its calls at once", async () => {
    await read(format, whole(format, [small, large, note]));
    const calls = desk.records.filter(({ hop }) => /^tools\/call\/[^*]/.test(hop.action));
    expect(new Set(calls.flatMap(({ pdp_call_ids }) => pdp_call_ids)).size).toBe(1);
    expect(calls).toHaveLength(3);
  });

  it("may tell a seed that no double holds, where the arguments of calls are a text of their own", async () => {
    const seeded = JSON.stringify(whole(format, [small])).replace("{", '{"seed":15616839187553530001,');
    const { status } = await read(format, seeded);
    expect(status).toBe(format.name === "chat" ? 200 : 403);
    const { text } = await read(format, JSON.stringify(whole(format, [large])).replace("{", '{"seed":1,'));
    expect(text).toContain("was denied");
  });

  it.each<[string, string]>([
    ["is not JSON", '{"id":'],
    [
      "holds a member twice",
      '{"id":"x","choices":[],"choices":[],"output":[],"output":[],"content":[],"content":[]}',
    ],
    ["is a list", "[]"],
    [
      "holds a call where no format has one",
      JSON.stringify({ result: { tool_calls: [{ function: { name: "credit" } }] } }),
    ],
    [
      "holds another format's call",
      JSON.stringify({
        data: [
          { type: "custom_tool_call", name: "credit" },
          { type: "tool_use", name: "credit" },
        ],
      }),
    ],
    ["has its list as an object", JSON.stringify({ choices: {}, output: {}, content: {} })],
  ])("is denied when it %s", async (_, body) => {
    const { status, json } = await read(format, body);
    expect(status).toBe(403);
    expect(findDenial(json)).toMatchObject({ code: "unsupported_hop", retryable: false });
    expect(desk.records.at(-1)).toMatchObject({ effect: "deny", code: "unsupported_hop" });
  });

  it("is denied when it is neither JSON nor a stream of events", async () => {
    for (const contentType of ["text/html", "application/octet-stream", ""])
      expect((await read(format, whole(format, []), { contentType })).status).toBe(403);
    const allowed = await read(format, whole(format, [large]), { contentType: "text/html", answers: "pass" });
    expect(allowed.status).toBe(200);
  });

  it("that is an error passes unread", async () => {
    const fetch = guardFetch(analyst, {
      baseURL: "https://provider.example",
      api: format.api,
      tools,
      fetch: () => Promise.resolve(new Response("<h1>tool_calls</h1>", { status: 502 })),
    });
    const response = await fetch(`https://provider.example${format.path}`, {
      method: "POST",
      body: JSON.stringify(format.request),
    });
    expect([response.status, await response.text()]).toEqual([502, "<h1>tool_calls</h1>"]);
  });
});

describe("what stands in an answer", () => {
  const choices = (...messages: object[]): object => ({
    choices: messages.map((message, index) => ({ index, message, finish_reason: "tool_calls" })),
  });
  const call = ({ name, json }: typeof small): object => ({
    id: "c",
    type: "function",
    function: { name, arguments: json },
  });

  it("is checked choice by choice", async () => {
    const { json } = await read(
      chat,
      choices({ content: null, tool_calls: [call(large)] }, { content: null, tool_calls: [call(small)] }),
    );
    expect(json.choices).toMatchObject([
      { finish_reason: "stop", message: { content: expect.stringContaining("was denied") as string } },
      { finish_reason: "tool_calls", message: { tool_calls: [call(small)] } },
    ]);
    expect((json.choices as { message: object }[])[0]?.message).not.toHaveProperty("tool_calls");
  });

  it("may be a function of the time before tools", async () => {
    const legacy = ({ name, json }: typeof small): object =>
      choices({ content: "", function_call: { name, arguments: json } });
    expect((await read(chat, legacy(small))).json).toEqual(legacy(small));
    expect((await read(chat, legacy(large))).text).not.toContain("900000");
  });

  it("may be content in parts", async () => {
    const { json } = await read(
      chat,
      choices({ content: [{ type: "text", text: "Hi" }], tool_calls: [call(large)] }),
    );
    expect(json.choices).toMatchObject([{ message: { content: [{ text: "Hi" }, { type: "text" }] } }]);
  });

  it.each<[string, object]>([
    ["no object", { ...call(small), function: "credit" }],
    ["of two types", { ...call(small), custom: { name: "note", input: "" } }],
    ["of an unknown type", { ...call(small), type: "robot" }],
    [
      "with arguments that are not text",
      { type: "function", function: { name: "credit", arguments: { amount_cents: 1 } } },
    ],
  ])("is lost when it is a call %s", async (_, entry) => {
    const { json } = await read(chat, choices({ content: null, tool_calls: [entry] }));
    expect((json.choices as { message: object }[])[0]?.message).not.toHaveProperty("tool_calls");
    expect(desk.records.at(-1)).toMatchObject({ code: "unsupported_hop", flags: ["look_up"] });
  });

  /** The only item of an answer, or the text in its place. */
  const item = async (given: object, options: Partial<Scripted> = {}): Promise<string> => {
    const { json } = await read(responses, responseObject([given]), options);
    return JSON.stringify((json.output as object[])[0]);
  };

  it("is a call of the tool that its type names, where the agent runs what the provider defines", async () => {
    const desk = { toolset: "desk", untyped: "allow" } as const;
    const builtIn: ToolMap = {
      local_shell: { ...desk, tool: "note" },
      shell: { ...desk, tool: "note" },
      apply_patch: { ...desk, tool: "note" },
      computer: { ...desk, tool: "note" },
      tool_search: { ...desk, tool: "note" },
      bash: { ...desk, tool: "note" },
    };
    const given = [
      { type: "local_shell_call", action: { type: "exec", command: ["ls"] } },
      { type: "shell_call", environment: { type: "local" }, action: { commands: ["ls"] } },
      { type: "apply_patch_call", operation: { type: "delete_file", path: "/x" } },
      { type: "computer_call", action: { type: "click" } },
      { type: "computer_call", actions: [{ type: "click" }] },
      { type: "tool_search_call", execution: "client", arguments: { query: "x" } },
    ];
    for (const call of given) {
      expect(await item(call, { tools: builtIn })).toBe(JSON.stringify(call));
      // Typed by nobody, as long as the map does not say that this will do.
      expect(await item(call, { tools: () => ({ toolset: "desk", tool: "note" }) })).toContain(
        "have no types",
      );
      expect(await item(call)).toContain("has no tool of this name");
    }
    expect(await item({ type: "computer_call", action: {}, actions: [] }, { tools: builtIn })).toContain(
      "denied",
    );
    expect(await item({ type: "quantum_call" }, { tools: builtIn })).toContain("denied");
    const bash = { type: "tool_use", id: "t", name: "bash", input: { command: "ls" } };
    const message = { content: [bash], stop_reason: "tool_use" };
    expect((await read(messages, message, { tools: builtIn })).json).toEqual(message);
    expect((await read(messages, message)).text).not.toContain('"ls"');
  });

  it("is a custom tool's text, which a policy reads as `arguments.input`", async () => {
    const request = { model: "gpt-4o-mini", input: "x", tools: [{ type: "custom", name: "note" }] };
    const call = { type: "custom_tool_call", id: "ct_1", call_id: "c", name: "note", input: "free text" };
    expect(await item(call, { request })).toBe(JSON.stringify(call));
    expect(await item(call)).toContain("have no types");
  });

  it("is a call on the hosted server, where the agent is asked to approve it", async () => {
    const request = {
      model: "gpt-4o-mini",
      input: "x",
      tools: [{ type: "mcp", server_label: "crm-live", server_url: "https://crm.example/mcp" }],
    };
    const hostedServers = { "https://crm.example/mcp": "crm" };
    const approval = (label: string, name: string) => ({
      type: "mcp_approval_request",
      id: "a",
      server_label: label,
      name,
      arguments: "{}",
    });
    const ask = (label: string, name: string) => item(approval(label, name), { request, hostedServers });
    expect(await ask("crm-live", "customer_get")).toBe(JSON.stringify(approval("crm-live", "customer_get")));
    expect(await ask("crm-live", "customer_delete")).toContain("was denied");
    expect(await ask("other", "customer_get")).toContain("has no tool of this name");
  });

  it("is held against the types in the map, where the request declares none", async () => {
    const request = { model: "gpt-4o-mini", input: "Go on.", previous_response_id: "resp_0" };
    const [, ok = {}, tooMuch = {}, wrong = {}] = responseItems({
      text: "",
      calls: [small, large, { name: "credit", json: '{"amount_cents":"100"}' }],
    });
    const schema = {
      type: "object",
      properties: { amount_cents: { type: "integer" } },
      required: ["amount_cents"],
    };
    const typed = { credit: { server: "crm", schema } } as const;
    expect(await item(ok, { request })).toContain("have no types in the request");
    expect(await item(ok, { request, tools: typed })).toBe(JSON.stringify(ok));
    expect(await item(tooMuch, { request, tools: typed })).toContain("was denied");
    expect(await item(wrong, { request, tools: typed })).toContain("amount_cents: expected");
    expect(await item(ok, { request, tools: { credit: { server: "crm", untyped: "allow" } } })).toBe(
      JSON.stringify(ok),
    );
    // From a function, nobody has looked at it before.
    expect(await item(ok, { request, tools: () => ({ server: "crm", schema: z.object({}) }) })).toContain(
      "expected a JSON Schema",
    );
  });

  it("is held against the types of the request that it belongs to, where it comes later", async () => {
    const answers = (first: object, later: object): Fetch => {
      let isFirst = true;
      return () => {
        const body = JSON.stringify(isFirst ? first : later);
        isFirst = false;
        return Promise.resolve(new Response(body, { headers: { "content-type": "application/json" } }));
      };
    };
    for (const [call, isAllowed] of [
      [small, true],
      [large, false],
      [{ ...small, json: '{"amount_cents":"1"}' }, false],
    ] as const) {
      const done = { ...whole(responses, [call]), id: "resp_1" };
      const queued = { ...responseObject([], "queued"), id: "resp_1" };
      const openai = guardOpenAI(new OpenAI({ apiKey: "none", fetch: answers(queued, done) }), analyst, {
        tools,
      });
      const request = { ...responses.request, stream: false, background: true };
      await openai.responses.create(request as OpenAI.Responses.ResponseCreateParamsNonStreaming);
      const { output } = await openai.responses.retrieve("resp_1");
      expect(output.some(({ type }) => type === "function_call")).toBe(isAllowed);

      const message = whole(messages, [call]);
      const anthropic = new Anthropic({ apiKey: "none", fetch: answers(message, message) });
      const { beta } = guardAnthropic(anthropic, analyst, { tools });
      const begin = { ...messages.request, stream: false };
      const turn = { ...begin, tools: undefined };
      await beta.messages.create({ ...begin, thread: { type: "create" } } as never);
      const { content } = (await beta.messages.create({
        ...turn,
        thread: { type: "continue", previous_message_id: "msg_1" },
      } as never)) as unknown as Anthropic.Message;
      expect(content.some(({ type }) => type === "tool_use")).toBe(isAllowed);
    }
  });

  it("is lost when the request declares its tool twice, or with a schema that cannot be checked against", async () => {
    const [, ok = {}] = responseItems({ text: "", calls: [small] });
    const declared = (...parameters: object[]): object => ({
      model: "gpt-4o-mini",
      input: "x",
      tools: parameters.map((parameters) => ({ type: "function", name: "credit", parameters })),
    });
    expect(await item(ok, { request: declared({ type: "object" }) })).toBe(JSON.stringify(ok));
    expect(await item(ok, { request: declared({ type: "object" }, {}) })).toContain(
      "declares the tool twice",
    );
    expect(await item(ok, { request: declared({ $ref: "https://else.example" }) })).toContain(
      "cannot be checked",
    );
  });

  it("is decided with every call that a meta tool makes", async () => {
    const [, run = {}] = responseItems({
      text: "",
      calls: [{ name: "run", json: '{"tool":"credit","args":{"amount_cents":100}}' }],
    });
    const [, pay = {}] = responseItems({
      text: "",
      calls: [{ name: "run", json: '{"tool":"credit","args":{"amount_cents":900000}}' }],
    });
    const meta: ToolMap = {
      run: {
        ...{ toolset: "desk", tool: "note", untyped: "allow" },
        metaTool: ({ tool, args }) => ({ server: "crm", tool: tool as string, arguments: args }),
      },
    };
    expect(await item(run, { tools: meta })).toBe(JSON.stringify(run));
    expect(await item(pay, { tools: meta })).toContain('The call of the tool \\"run\\" was denied');
  });
});

describe("the option answers", () => {
  it("needs a map of tools to check", () => {
    const client = new OpenAI({ apiKey: "none" });
    expect(() => guardOpenAI(client, analyst, { answers: "check" })).toThrow(ConfigurationError);
    expect(() => guardOpenAI(client, analyst, { answers: "check" })).toThrow(/guardOpenAI\.answers.*`tools`/);
    expect(() => guardOpenAI(client, analyst, { answers: "pass", tools })).not.toThrow();
    expect(() => guardOpenAI(client, analyst, { answers: "maybe" as never })).toThrow(/answers/);
    for (const schema of [z.object({}), { type: "strnig" }, "object"]) {
      const wrong = { credit: { server: "crm", schema: schema as object } };
      expect(() => guardOpenAI(client, analyst, { tools: wrong })).toThrow(/tools/);
    }
  });

  it("denies an endpoint with binary answers before anything is sent, unless they pass", async () => {
    let requests = 0;
    const bedrock = (answers?: "pass") =>
      guardFetch(analyst, {
        baseURL: desk.provider.url,
        api: "anthropic",
        tools,
        ...(answers && { answers }),
        fetch: () =>
          Promise.resolve(
            new Response(`binary ${++requests}`, {
              headers: { "content-type": "application/vnd.amazon.eventstream" },
            }),
          ),
      });
    const send = (fetch: Fetch) =>
      fetch(`${desk.provider.url}/model/claude-haiku-5-5/invoke-with-response-stream`, {
        method: "POST",
        body: '{"messages":[]}',
      });
    const denied = await send(bedrock());
    expect(findDenial(await denied.json())?.reason).toContain('`answers: "pass"`');
    expect(requests).toBe(0);
    expect(await (await send(bedrock("pass"))).text()).toBe("binary 1");
  });
});

describe("an SDK", () => {
  it("throws the denial of an answer that cannot be read", async () => {
    const fetch = () => Promise.resolve(new Response("<html>", { headers: { "content-type": "text/html" } }));
    const openai = guardOpenAI(new OpenAI({ apiKey: "none", fetch }), analyst, { tools });
    const denial: Denial = await denialOf(openai.responses.create({ model: "gpt-4o-mini", input: "x" }));
    expect(denial.code).toBe("unsupported_hop");
  });

  it("throws the denial of a stream that turns out unreadable", async () => {
    const body = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\ndata: {"tool_calls":\n\n';
    const named = body.replaceAll("data:", "event: content_block_delta\ndata:");
    const stream = (body: string) => () =>
      Promise.resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
    const openai = guardOpenAI(new OpenAI({ apiKey: "none", fetch: stream(body) }), analyst, { tools });
    const anthropic = guardAnthropic(new Anthropic({ apiKey: "none", fetch: stream(named) }), analyst, {
      tools,
    });
    const drain = async (events: PromiseLike<AsyncIterable<unknown>>): Promise<void> => {
      for await (const _ of await events) continue;
    };
    const ask = { messages: [], stream: true as const };
    expect(
      (await denialOf(drain(openai.chat.completions.create({ ...ask, model: "gpt-4o-mini" })))).code,
    ).toBe("unsupported_hop");
    expect(
      (await denialOf(drain(anthropic.messages.create({ ...ask, model: "claude-haiku-5-5", max_tokens: 9 }))))
        .code,
    ).toBe("unsupported_hop");
  });

  it.each(openaiLines)("of $line reads a denied call as a refusal, where it parses JSON", async (line) => {
    const answer = { text: '{"done":false}', calls: [large] };
    const client = (format: ByteFormat, isStream: boolean): OpenAI => {
      const [body, type] = isStream
        ? [format.events(answer).join(""), "text/event-stream"]
        : [JSON.stringify(whole(format, [large], answer.text)), "application/json"];
      const fetch = () => Promise.resolve(new Response(body, { headers: { "content-type": type } }));
      return guardOpenAI(new line.OpenAI({ apiKey: "none", fetch }), analyst, { tools });
    };
    const done = z.object({ done: z.boolean() });
    const denied = 'The call of the tool "credit" was denied';
    const strict = declaredTools.map((tool) => ({ ...tool, strict: true }));
    const ask = {
      ...{ model: "gpt-4o-mini", messages: [], response_format: zodResponseFormat(done, "done") },
      tools: strict.map((tool) => ({ type: "function" as const, function: tool })),
    };
    for (const { choices } of [
      await client(chat, false).chat.completions.parse(ask),
      await client(chat, true).chat.completions.stream(ask).finalChatCompletion(),
    ]) {
      const [{ message, finish_reason } = expect.fail("no choice")] = choices;
      expect(message.refusal).toContain(denied);
      expect(message).toMatchObject({ content: answer.text, parsed: null });
      expect(message.tool_calls ?? []).toEqual([]);
      expect(finish_reason).toBe("stop");
    }
    const request = {
      ...{ model: "gpt-4o-mini", input: "Go on.", text: { format: zodTextFormat(done, "done") } },
      tools: strict.map((tool) => ({ type: "function" as const, ...tool })),
    };
    for (const { output } of [
      await client(responses, false).responses.parse(request),
      await client(responses, true).responses.stream(request).finalResponse(),
    ]) {
      expect(output).toMatchObject([
        { type: "message" },
        {
          type: "message",
          content: [{ type: "refusal", refusal: expect.stringContaining(denied) as string }],
        },
      ]);
    }
  });

  it("runs only what is left, in the tool loop of Anthropic's", async () => {
    const ran: number[] = [];
    const credit = betaZodTool({
      name: "credit",
      description: "Credits an account.",
      inputSchema: z.object({ amount_cents: z.int() }),
      run: ({ amount_cents }) => {
        ran.push(amount_cents);
        return "Credited.";
      },
    });
    const client = guardAnthropic(
      new Anthropic({ apiKey: "none", baseURL: desk.provider.anthropicBaseURL }),
      analyst,
      { tools },
    );
    turn = {
      text: "Crediting.",
      toolCalls: [
        { name: "credit", arguments: { amount_cents: 900_000 } },
        { name: "credit", arguments: { amount_cents: 100 } },
      ],
    };
    for (const stream of [false, true]) {
      await client.beta.messages
        .toolRunner({
          model: "claude-haiku-5-5",
          max_tokens: 100,
          messages: [{ role: "user", content: "Credit them." }],
          tools: [credit],
          stream,
        })
        .runUntilDone();
    }
    expect(ran).toEqual([100, 100]);
  });
});
