import fc from "fast-check";
import { findDenial, type Denial, type Session } from "hopguard";
import { guardAnthropic } from "hopguard/anthropic";
import { guardFetch, type Fetch, type GuardFetchOptions } from "hopguard/fetch";
import { guardOpenAI } from "hopguard/openai";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Turn, TurnRequest } from "../../examples/shared/local-provider";
import { openDesk, type Desk } from "../support/desk";
import { analystModels, labPolicies } from "../support/lab-policies";
import { denialOf } from "../support/model-sdks";

type Options = Partial<GuardFetchOptions>;

const json = { "content-type": "application/json" };
const mini = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] };
const haiku = { model: "claude-haiku-5-5", max_tokens: 10, messages: [{ role: "user", content: "Hello" }] };
const weather = { type: "function", function: { name: "weather", parameters: { type: "object" } } };

let desk: Desk;
let analyst: Session;

beforeAll(async () => {
  desk = await openDesk({ policies: labPolicies });
  analyst = await desk.session("analyst");
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

const fetchOf = (options: Options = {}): Fetch =>
  guardFetch(analyst, { baseURL: desk.provider.openaiBaseURL, ...options });

/** Sends a body as it is, beside every SDK. */
async function send(
  path: string,
  body: unknown,
  options: Options = {},
  init: RequestInit = {},
): Promise<Response> {
  const text = typeof body === "string" || body instanceof FormData ? body : JSON.stringify(body);
  const headers = body instanceof FormData ? {} : json;
  const url = desk.provider.openaiBaseURL + path;
  return fetchOf(options)(url, { method: "POST", headers, body: text, ...init });
}

async function denial(response: Promise<Response>): Promise<Denial> {
  const { status, headers, ...rest } = await response.then(async (given) => ({
    status: given.status,
    headers: given.headers,
    body: (await given.json()) as unknown,
  }));
  const found = findDenial(rest.body);
  if (!found) return expect.fail(`expected a denial, and not ${status} ${JSON.stringify(rest.body)}`);
  expect(status).toBe(403);
  expect(headers.get("x-should-retry")).toBe("false");
  expect(desk.provider.requests).toEqual([]);
  expect(desk.elsewhere.requests).toEqual([]);
  return found;
}

async function allowed(response: Promise<Response>): Promise<void> {
  const { status } = await response;
  expect([200, 404]).toContain(status);
  expect(desk.provider.requests).toHaveLength(1);
}

const chat = "/chat/completions";
const responses = "/responses";
const anthropic: Options = { api: "anthropic" };

describe("a model's name", () => {
  it.each([
    ["in another case", "GPT-4o-mini"],
    ["behind a provider's", "openai/gpt-4o-mini"],
    ["with a space behind it", "gpt-4o-mini "],
    ["with a space before it", " gpt-4o-mini"],
    ["with a Cyrillic letter", "gpt-4о-mini"],
    ["with a newline", "gpt-4o-mini\n"],
    ["with a NUL", "gpt-4o-mini\u0000"],
    ["with a zero-width space", "gpt-4o-\u200bmini"],
    ["in full width", "ｇpt-4o-mini"],
    ["as a glob", "gpt-4o*"],
    ["as nothing", ""],
    ["as a list", ["gpt-4o-mini"]],
    ["as null", null],
    ["as a number", 4],
    ["as true", true],
    ["as an object", { id: "gpt-4o-mini" }],
    ["too long", "g".repeat(300)],
  ])("%s is another model, or none", async (_, model) => {
    await denial(send(chat, { ...mini, model }));
  });

  it("that is absent is not guessed", async () => {
    const { code, reason } = await denial(send(chat, { messages: mini.messages }));
    expect(code).toBe("unsupported_hop");
    expect(reason).toMatch(/defaultModels/);
    await denial(send(responses, { input: "Hello", previous_response_id: "resp_1" }));
  });

  it("that is absent is the one that the operator names for the action", async () => {
    await allowed(
      send("/moderations", { input: "x" }, { defaultModels: { moderation: "omni-moderation-latest" } }),
    );
    desk.reset();
    await denial(send("/moderations", { input: "x" }, { defaultModels: { moderation: "gpt-4o" } }));
    await denial(send("/moderations", { input: "x" }, { defaultModels: { completion: "gpt-4o-mini" } }));
  });
});

describe("a body that two readers could read differently", () => {
  const text = JSON.stringify(mini);
  it.each([
    ["the model twice", `{"model":"gpt-4o",${text.slice(1)}`],
    ["the model twice, once escaped", `{"mod\\u0065l":"gpt-4o",${text.slice(1)}`],
    ["Model beside model", `{"Model":"gpt-4o",${text.slice(1)}`],
    ["MODEL alone", text.replace("model", "MODEL")],
    [
      "a tool's URL twice but for its case",
      text.replace("{", '{"tools":[{"type":"mcp","server_url":"a","Server_URL":"b"}],'),
    ],
    ["a member twice in a nested place", text.replace("{", '{"tools":[{"type":"function","type":"mcp"}],')],
    ["__proto__", `{"__proto__":{"model":"gpt-4o"},${text.slice(1)}`],
    ["a byte order mark", `\ufeff${text}`],
    ["a number that no double holds", `{"seed":12345678901234567890,${text.slice(1)}`],
    ["a lone surrogate", `{"user":"\\ud800",${text.slice(1)}`],
    ["something behind it", `${text}{}`],
    ["a list", `[${text}]`],
    ["a comment", `/**/${text}`],
    ["no JSON", "model=gpt-4o-mini"],
    ["nothing", ""],
  ])("is refused: %s", async (_, body) => {
    await denial(send(chat, body));
  });

  it("is refused when it is encoded, of another charset, or of another type", async () => {
    const body = JSON.stringify(mini);
    for (const headers of [
      { ...json, "content-encoding": "gzip" },
      { "content-type": "application/json; charset=utf-16" },
      { "content-type": "text/plain" },
      { "content-type": "application/x-www-form-urlencoded" },
      { "content-type": "multipart/form-data; boundary=x" },
    ]) {
      await denial(fetchOf()(desk.provider.openaiBaseURL + chat, { method: "POST", headers, body }));
    }
    const utf16 = Buffer.from(body, "utf16le");
    await denial(send(chat, "", {}, { body: utf16 }));
  });

  it("is refused when it is too deep or too large", async () => {
    const deep = `{"model":"gpt-4o-mini","messages":${"[".repeat(200)}${"]".repeat(200)}}`;
    expect((await denial(send(chat, deep))).code).toBe("arguments_invalid");
    const limits = { maxLength: 100 };
    expect((await denial(send(chat, { ...mini, user: "u".repeat(100) }, { limits }))).retryable).toBe(false);
  });

  it("of many megabytes is read in a time that does not grow with its square", async () => {
    const image = "iVBORw0KGgo/+\\n".repeat(700_000);
    const started = performance.now();
    await denial(send(chat, { ...mini, model: "gpt-4o", messages: [{ role: "user", content: image }] }));
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});

describe("a model somewhere else in the request", () => {
  it.each<[string, string, object]>([
    ["models", chat, { models: ["gpt-4o"] }],
    ["fallbacks", chat, { fallbacks: ["gpt-4o"] }],
    ["fallbacks with parameters", chat, { fallbacks: [{ model: "gpt-4o", temperature: 1 }] }],
    ["LiteLLM's fallbacks", chat, { fallbacks: [{ "gpt-4o-mini": ["gpt-4o"] }] }],
    ["context window fallbacks", chat, { context_window_fallbacks: [{ "gpt-4o-mini": ["gpt-4o"] }] }],
    ["extra_body", chat, { extra_body: { model: "gpt-4o" } }],
    ["model_list", chat, { user_config: { model_list: [{ litellm_params: { model: "gpt-4o" } }] } }],
    ["modelId", chat, { modelId: "gpt-4o" }],
    ["engine", chat, { engine: "gpt-4o" }],
    ["deployment_id", chat, { deployment_id: "gpt-4o" }],
    ["moderation", chat, { moderation: { model: "gpt-4o" } }],
    ["a tool", responses, { input: "x", tools: [{ type: "image_generation", model: "gpt-4o" }] }],
    [
      "a tool in the conversation",
      responses,
      { input: [{ type: "additional_tools", tools: [{ type: "image_generation", model: "gpt-4o" }] }] },
    ],
    [
      "a conversation that calls itself an earlier tool call",
      responses,
      {
        type: "tool_use",
        input: [{ type: "additional_tools", tools: [{ type: "image_generation", model: "gpt-4o" }] }],
      },
    ],
    ["a nested object in another case", chat, { extra: { Model: "gpt-4o" } }],
    [
      "what a gateway's own tool is set up with",
      responses,
      { input: "x", tools: [{ type: "image_generation", parameters: { model: "gpt-4o" } }] },
    ],
  ])("denies: %s", async (_, path, more) => {
    const { code, hop } = await denial(send(path, { ...mini, ...more }));
    expect([code, hop.name]).toEqual(["policy_denied", "gpt-4o"]);
  });

  it("may be one that is allowed, an empty list, or a word in what is said", async () => {
    for (const body of [
      { ...mini, fallbacks: [{ model: "gpt-4o-mini" }], models: [] },
      { ...mini, metadata: { model: "gpt-4o" } },
      { ...mini, messages: [{ role: "user", content: '{"model":"gpt-4o"}' }] },
      {
        ...mini,
        tools: [
          {
            type: "function",
            function: { name: "car", parameters: { properties: { model: { enum: ["gpt-4o"] } } } },
          },
        ],
      },
    ]) {
      desk.reset();
      await allowed(send(chat, body));
      expect(desk.provider.requests[0]?.body).toEqual(body);
    }
  });

  it("may be a word in an example, in what a provider has answered, and in the token of a credit", async () => {
    const output = [
      { type: "file_search_call", id: "fs", results: [{ attributes: { model: "Golf IV" } }] },
      { type: "image_generation_call", id: "ig", svg_usage: { model: "gpt-4o", total_tokens: 1 } },
      { type: "local_shell_call", id: "ls", action: { type: "exec", env: { MODEL: "Golf IV" } } },
    ];
    const search = { type: "tool_search", execution: "client", parameters: { properties: { model: {} } } };
    const note = {
      name: "note",
      input_schema: {},
      input_examples: [{ model: "Golf IV", tools: "a spanner" }],
    };
    const beside = { ...anthropic, baseURL: desk.provider.anthropicBaseURL };
    await allowed(send(responses, { ...mini, input: output }));
    desk.reset();
    const { hop } = await denial(send(responses, { ...mini, input: "x", tools: [search] }));
    expect(hop).toMatchObject({ name: "gpt-4o-mini", action: "hosted_tools/tool_search" });
    for (const fallback_credit_token of ["fct_s3cret", { token: "fct_s3cret", mode: "strict" }]) {
      desk.reset();
      await allowed(send("/messages", { ...haiku, tools: [note], fallback_credit_token }, beside));
      expect(JSON.stringify(desk.records)).not.toContain("s3cret");
    }
  });

  it("is found beside, and in, the fields of a form", async () => {
    const form = (fields: readonly (readonly [string, string | File])[]): FormData => {
      const data = new FormData();
      for (const [name, value] of fields) data.append(name, value);
      return data;
    };
    const picture = ["image", new File(["png"], "a.png")] as const;
    const image = ["model", "gpt-image-1"] as const;
    const edits = "/images/edits";
    await denial(send(edits, form([picture, image, ["model", "gpt-4o"]])));
    await denial(send(edits, form([picture, image, ["model", "gpt-image-1"]])));
    await denial(send(edits, form([picture, image, ["Model", "gpt-4o"]])));
    await denial(send(edits, form([picture, image, ["model[]", "gpt-4o"]])));
    await denial(send(edits, form([picture, image, ["fallbacks", "gpt-4o"]])));
    await denial(send(edits, form([picture, ["model", "gpt-4o"]])));
    await denial(send(edits, form([picture, ["model", new File(["gpt-image-1"], "model")]])));
    await denial(send(edits, form([picture])));
    await allowed(send(edits, form([picture, image, ["prompt", "a model of gpt-4o"]])));
    expect(desk.provider.requests[0]?.fields?.map(({ name }) => name)).toEqual(["image", "model", "prompt"]);
  });

  it("is found in a form that is sent as bytes", async () => {
    const bytes = (model: string): RequestInit => ({
      headers: { "content-type": "multipart/form-data; boundary=x" },
      body: Buffer.from(
        `--x\r\ncontent-disposition: form-data; name="model"\r\n\r\n${model}\r\n` +
          `--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\npng\r\n--x--\r\n`,
      ),
    });
    await denial(send("/images/edits", "", {}, bytes("gpt-4o")));
    await denial(send("/images/edits", "", {}, { ...bytes("gpt-image-1"), body: Buffer.from("--y") }));
    await allowed(send("/images/edits", "", {}, bytes("gpt-image-1")));
    expect(desk.provider.requests[0]?.fields).toMatchObject([
      { value: "gpt-image-1" },
      { filename: "a.png" },
    ]);
  });

  it("is found in a header, and so is another method", async () => {
    for (const headers of [
      { "x-model-override": "gpt-4o" },
      { "x-fallbacks": "gpt-4o" },
      { "x-ms-oai-image-generation-deployment": "gpt-image-1" },
      { "X-HTTP-Method-Override": "DELETE" },
    ]) {
      await denial(send(chat, mini, {}, { headers: { ...json, ...headers } }));
    }
  });

  it("is found in the URL: Azure's deployment, which no body may contradict", async () => {
    const azure = { baseURL: `${desk.provider.url}/openai` };
    const post = (deployment: string, body: object) =>
      fetchOf(azure)(`${azure.baseURL}/deployments/${deployment}${chat}?api-version=1`, {
        method: "POST",
        headers: json,
        body: JSON.stringify(body),
      });
    const { messages } = mini;
    await denial(post("gpt-4o", mini));
    await denial(post("gpt-4o", { messages }));
    await denial(post("gpt-4o-mini", { messages, model: "gpt-4o" }));
    await denial(post("gpt-4o-mini%2F..%2Fgpt-4o", { messages }));
    await denial(post("gpt-4o/deployments/gpt-4o-mini", mini));
    await allowed(post("gpt-4o-mini", { messages }));
  });

  it("does not hide behind an id that a server would decode to another endpoint", async () => {
    const get = (path: string) => fetchOf()(desk.provider.openaiBaseURL + path);
    for (const path of [
      "/models/..%2Ffiles",
      "/models/gpt-4o-mini%2F..%2F..%2Ffiles",
      "/models/%E0%A4%A",
      "/models/x%5c..%5cfiles",
      "/models/%252e%252e%252ffiles",
      "/models/gpt-4o-mini%252F",
    ]) {
      await denial(get(path));
    }
  });
});

describe("a stored prompt", () => {
  const body = { prompt: { id: "pmpt_1", version: "2" }, input: "x" };

  it("is denied, because nobody here sees its model, until the operator names it", async () => {
    expect((await denial(send(responses, body))).reason).toMatch(/option `prompts`/);
    expect((await denial(send(responses, { ...body, model: "gpt-4o-mini" }))).reason).toMatch(/prompts/);
    await denial(send(responses, { prompt: {} }, { prompts: { pmpt_1: "gpt-4o-mini" } }));
    await allowed(send(responses, body, { prompts: { pmpt_1: "gpt-4o-mini" } }));
  });

  it("is decided by its own model, and by the one that the request names", async () => {
    const prompts = { pmpt_1: "gpt-4o" };
    expect((await denial(send(responses, body, { prompts }))).hop.name).toBe("gpt-4o");
    expect((await denial(send(responses, { ...body, model: "gpt-4o-mini" }, { prompts }))).hop.name).toBe(
      "gpt-4o",
    );
    await denial(send(responses, { ...body, model: "gpt-4o" }, { prompts: { pmpt_1: "gpt-4o-mini" } }));
  });
});

describe("a conversation that the provider holds", () => {
  const create = { ...haiku, thread: { type: "create" } };
  const follow = (id: unknown, more: object = {}) => ({
    ...haiku,
    thread: { type: "continue", previous_message_id: id },
    ...more,
  });
  const client = (options: Options = {}) => {
    const baseURL = desk.provider.anthropicBaseURL;
    const guarded = guardFetch(analyst, { ...anthropic, baseURL, ...options });
    return (body: object) =>
      guarded(`${baseURL}/v1/messages`, { method: "POST", headers: json, body: JSON.stringify(body) });
  };
  const idOf = async (response: Promise<Response>): Promise<string> =>
    /"id":"(msg_[^"]+)"/.exec(await (await response).text())?.[1] ?? expect.fail("no id");

  it("is known to the policy, if not what it says", async () => {
    await denial(send(responses, { input: "x", conversation: "conv_1" }));
    const seen: unknown[] = [];
    const watching = await desk.session("analyst", {
      guard: {
        guardrails: [
          { name: "watch", applies: () => true, check: ({ hop }) => void seen.push(hop.attr.request) },
        ],
      },
    });
    const guarded = guardFetch(watching, { baseURL: desk.provider.openaiBaseURL });
    for (const more of [
      { conversation: { id: "c" } },
      { previous_response_id: "r" },
      { conversation: null },
    ]) {
      const body = JSON.stringify({ ...mini, input: "x", ...more });
      await guarded(desk.provider.openaiBaseURL + responses, { method: "POST", headers: json, body });
    }
    expect(seen).toMatchObject([{ continues: "conversation" }, { continues: "previous_response_id" }, {}]);
    expect(seen[2]).not.toHaveProperty("continues");
  });

  it("is gone on with by the client that began it, and by no other", async () => {
    for (const stream of [false, true]) {
      const post = client();
      desk.reset();
      await denial(post(follow("msg_1")));
      await denial(post(follow(undefined)));
      await denial(post({ ...haiku, thread: "msg_1" }));
      await denial(post({ ...haiku, thread: { type: "resume", previous_message_id: "msg_1" } }));
      const first = await idOf(post({ ...create, stream }));
      const second = await idOf(post(follow(first, { stream })));
      await idOf(post(follow(second)));
      desk.reset();
      await denial(client()(follow(first)));
      const unkept = await idOf(post({ ...haiku, stream }));
      desk.reset();
      await denial(post(follow(unkept)));
    }
  });

  it("goes on in the SDK's tool runner, which declares its tools only once", async () => {
    const turn = ({ toolResults }: TurnRequest): Turn =>
      toolResults.length > 0 ? { text: "Done." } : { toolCalls: [{ name: "note", arguments: {} }] };
    const other = await openDesk({ policies: labPolicies, provider: { turn } });
    try {
      const raw = new Anthropic({ apiKey: "sk-local", baseURL: other.provider.anthropicBaseURL });
      const guarded = guardAnthropic(raw, await other.session("analyst"));
      const note = {
        type: "custom" as const,
        name: "note",
        input_schema: { type: "object" as const },
        parse: (input: unknown) => input,
        run: () => "noted",
      };
      const runner = guarded.beta.messages.toolRunner({ ...haiku, tools: [note] } as never);
      await runner.runUntilDone();
      const bodies = other.provider.requests.map(({ body }) => body as { thread?: object; tools?: unknown });
      expect(bodies).toMatchObject([{ thread: { type: "create" } }, { thread: { type: "continue" } }]);
      expect(bodies[1]).not.toHaveProperty("tools");
    } finally {
      await other.close();
    }
  });

  it("is decided by what it has declared before, on the model of now", async () => {
    const tools = { note: { toolset: "desk" } };
    const hostedServers = { "https://crm.example/mcp": "crm" };
    const post = client({ hostedServers, tools });
    const mcp_servers = [{ type: "url", name: "crm", url: "https://crm.example/mcp" }];
    const first = await idOf(
      post({
        ...create,
        mcp_servers,
        tools: [
          { name: "note", input_schema: {} },
          { name: "gone", input_schema: {} },
        ],
      }),
    );
    const second = await idOf(post(follow(first)));
    desk.reset();
    await idOf(post(follow(second)));
    expect(desk.records.map(({ hop }) => `${hop.kind} ${hop.action}`).sort()).toEqual([
      "llm_model completion",
      "llm_model hosted_tools/mcp",
      "mcp_crm initialize",
    ]);
    desk.reset();
    expect((await denial(post(follow(second, { model: "claude-opus-5-5" })))).hop.name).toBe(
      "claude-opus-5-5",
    );
    const changed = client({ hostedServers, tools: { note: { server: "payroll" } } });
    await denial(
      changed({ ...create, tool_choice: { type: "tool", name: "note" }, tools: [{ name: "note" }] }),
    );
  });
});

describe("what runs at the provider", () => {
  const withTool = (tool: object) => ({ model: "gpt-4o-mini", input: "x", tools: [tool] });
  const hops = () => desk.records.map(({ hop }) => `${hop.kind} ${hop.action}`).sort();
  const hostedCrm = ["llm_model completion", "llm_model hosted_tools/mcp", "mcp_crm initialize"];
  const hostedServers = { "https://crm.example/mcp": "crm", connector_mail: "payroll" };

  it("is a hop of its own for each declaration", async () => {
    const { hop } = await denial(
      send(responses, withTool({ type: "code_interpreter", container: { type: "auto" } })),
    );
    expect(hop).toEqual({ kind: "llm_model", name: "gpt-4o-mini", action: "hosted_tools/code_interpreter" });
    await denial(
      send(responses, { ...withTool(weather), tools: [{ type: "file_search" }, { type: "web_search" }] }),
    );
    await denial(send(responses, withTool({ type: "Web_Search" })));
    await denial(send(chat, { ...mini, tools: [{ google_search: {} }] }));
    await denial(send(chat, { ...mini, tools: ["web_search"] }));
    await denial(send(chat, { ...mini, tools: { 0: { type: "code_interpreter" } } }));
    await denial(send(responses, withTool({ type: ["web_search"] })));
    await allowed(send(responses, withTool({ type: "web_search" })));
  });

  it.each(["mcp_list_tools", "mcp_tool_listing", "mcp_toolset", "tool_use"])(
    "is a hop also of a request that calls itself %s, as something in a conversation may",
    async (type) => {
      for (const tool of [
        { type: "code_interpreter" },
        { type: "mcp", server_url: "https://evil.example" },
      ]) {
        await denial(send(responses, { type, ...withTool(tool) }));
        await denial(send(chat, { ...mini, type, tools: [tool] }));
        await denial(send(chat, { ...mini, fallbacks: [{ type, model: "gpt-4o-mini", tools: [tool] }] }));
        await denial(send(responses, { type, ...withTool(weather), context: { type, tools: [tool] } }));
        await denial(
          send(responses, { type, ...withTool(weather), extra: { type, input: { tools: [tool] } } }),
        );
      }
    },
  );

  it("is found when it is an option", async () => {
    await allowed(send(chat, { ...mini, web_search_options: { search_context_size: "low" } }));
    expect(desk.records.map(({ hop }) => hop.action)).toContain("hosted_tools/web_search");
    desk.reset();
    const other = { ...mini, model: "gpt-4o", web_search_options: {} };
    await denial(send(chat, other));
  });

  it("is found where nothing is declared as a tool: skills, and agents that work beside the model", async () => {
    const shell = (...skills: unknown[]) =>
      withTool({ type: "shell", environment: { type: "container_auto", skills } });
    const beside = { ...anthropic, baseURL: desk.provider.anthropicBaseURL };
    const container = (...skills: unknown[]) =>
      send("/messages", { ...haiku, container: { skills } }, beside);
    const skill = (skill_id: string) => ({ type: "custom", skill_id, version: "latest" });
    await denial(send(responses, shell(skill("xlsx"))));
    await denial(send(responses, { ...mini, multi_agent: { enabled: true } }));
    await denial(container(skill("xlsx"), skill("exfiltrate")));
    await denial(container("xlsx"));
    expect((await denial(container(skill("exfiltrate")))).hop.action).toBe("hosted_tools/skill");
    await allowed(container(skill("xlsx")));
    desk.reset();
    await allowed(send(responses, { ...mini, input: "x", multi_agent: { enabled: false } }));
  });

  it("is found within other members, too", async () => {
    await denial(send(chat, { ...mini, model: "gpt-image-1", extra_body: { plugins: [{ id: "web" }] } }));
    await denial(send(chat, { ...mini, extra_body: { data_sources: [{ type: "azure_search" }] } }));
    await denial(send(responses, { ...mini, input: "x", extra_body: { prompt: { id: "pmpt_1" } } }));
    const embedding_dependency = { type: "deployment_name", deployment_name: "gpt-4o" };
    const source = { type: "web_search", parameters: { embedding_dependency } };
    expect((await denial(send(chat, { ...mini, data_sources: [source] }))).hop.name).toBe("gpt-4o");
  });

  it("is found where Azure and OpenRouter declare it", async () => {
    const source = { type: "azure_search", parameters: { endpoint: "https://evil.example" } };
    expect((await denial(send(chat, { ...mini, data_sources: [source] }))).hop.action).toBe(
      "hosted_tools/azure_search",
    );
    await denial(send(chat, { ...mini, plugins: [{ id: "web" }] }));
    await denial(send(chat, { ...mini, plugins: ["web"] }));
    await allowed(send(chat, { ...mini, plugins: [{ id: "web_search" }], data_sources: null }));
  });

  it("may only be an MCP server that the operator gave a name, spelt as he spelt it", async () => {
    const mcp = (server_url: string, more: object = {}) =>
      send(responses, withTool({ type: "mcp", server_label: "crm", server_url, ...more }), { hostedServers });
    for (const url of [
      "https://evil.example/mcp",
      "http://crm.example/mcp",
      "https://crm.example/mcp?x",
      "https://crm.example/mcp/../admin",
      "https://evil@crm.example/mcp",
      "https://crm.example@evil.example/mcp",
      "https://crm.example:444/mcp",
      "https://crm.example./mcp",
      "https://crm.example/MCP",
      "crm",
      "",
    ]) {
      expect((await denial(mcp(url))).reason).toMatch(/hostedServers/);
    }
    await denial(mcp("https://crm.example/mcp", { connector_id: "connector_gmail" }));
    await denial(mcp("https://crm.example/mcp", { tunnel_id: "tunnel_1" }));
    await denial(send(responses, withTool({ type: "mcp", tunnel_id: "tunnel_1" }), { hostedServers }));
    await denial(
      send(responses, withTool({ type: "MCP", server_url: "https://evil.example" }), { hostedServers }),
    );
    await denial(
      send(responses, withTool({ type: "function", name: "x", server_url: "https://evil.example" }), {
        hostedServers,
      }),
    );
    const connector = withTool({ type: "mcp", server_label: "m", connector_id: "connector_mail" });
    expect((await denial(send(responses, connector, { hostedServers }))).hop).toMatchObject({
      kind: "mcp_payroll",
      action: "initialize",
    });
    for (const url of [
      "https://crm.example/mcp",
      "https://CRM.example:443/mcp/",
      "https://crm.example/x/../mcp",
    ]) {
      desk.reset();
      await allowed(mcp(url));
      expect(hops()).toEqual(hostedCrm);
    }
  });

  it("leaves its secrets out of what the policy and the audit read", async () => {
    const tool = {
      type: "mcp",
      server_url: "https://crm.example/mcp",
      authorization: "s3cret",
      headers: { a: "s3cret" },
    };
    await allowed(send(responses, withTool(tool), { hostedServers }));
    expect(JSON.stringify(desk.records)).not.toContain("s3cret");
    expect(JSON.stringify(desk.provider.requests[0]?.body)).toContain("s3cret");
  });

  it("is the same in Anthropic's format", async () => {
    const beside = { ...anthropic, baseURL: desk.provider.anthropicBaseURL, hostedServers };
    const post = (more: object) => send("/messages", { ...haiku, ...more }, beside);
    const server = (url: string) => ({ type: "url", name: "crm", url });
    await denial(post({ mcp_servers: [server("https://evil.example")] }));
    await denial(post({ mcp_servers: ["https://crm.example/mcp"] }));
    await denial(post({ mcp_servers: { crm: server("https://crm.example/mcp") } }));
    await denial(
      post({ mcp_servers: [{ ...server("https://crm.example/mcp"), server_url: "https://evil.example" }] }),
    );
    await denial(post({ tools: [{ type: "code_execution_20250825", name: "code_execution" }] }));
    await denial(post({ tools: [{ type: "advisor_20260301", name: "advisor", model: "claude-opus-5-5" }] }));
    await denial(post({ fallbacks: [{ model: "claude-opus-5-5" }] }));
    await allowed(
      post({ tools: [{ type: "advisor_20260301", name: "advisor", model: "claude-haiku-5-5" }] }),
    );
    desk.reset();
    await allowed(post({ mcp_servers: [server("https://crm.example/mcp")] }));
    expect(hops()).toEqual(hostedCrm);
  });
});

describe("a batch", () => {
  const beside = () => ({ ...anthropic, baseURL: desk.provider.anthropicBaseURL });
  const batch = (...requests: unknown[]) => send("/messages/batches", { requests }, beside());
  const fine = { custom_id: "a", params: haiku };
  const opus = { ...haiku, model: "claude-opus-5-5" };

  it("is denied for one of its requests", async () => {
    expect((await denial(batch(fine, { custom_id: "b", params: opus }))).hop).toMatchObject({
      name: "claude-opus-5-5",
      action: "batch",
    });
    await denial(
      batch(fine, { custom_id: "b", params: { ...haiku, fallbacks: [{ model: "claude-opus-5-5" }] } }),
    );
    await denial(
      batch(fine, { custom_id: "b", params: { ...haiku, tools: [{ type: "bash_20250124", name: "bash" }] } }),
    );
    await denial(batch({ ...fine, params: { ...haiku, Model: "claude-opus-5-5" } }));
    const tool = { name: "w", type: "custom", Type: "web_search_20250305" };
    await denial(batch({ ...fine, params: { ...haiku, tools: [tool] } }));
    await denial(batch({ ...fine, model: "claude-opus-5-5" }));
    await denial(batch(fine, { custom_id: "b" }));
    await denial(batch(fine, { custom_id: "b", params: null }));
    await denial(batch(fine, null));
    await denial(batch());
    await denial(send("/messages/batches", { requests: fine }, beside()));
    await denial(send("/messages/batches", { requests: [fine], model: "claude-opus-5-5" }, beside()));
    await denial(
      send("/messages/batches", { requests: [fine], tools: [{ type: "web_search", name: "w" }] }, beside()),
    );
  });

  it("passes when every request may", async () => {
    await allowed(batch(fine, { ...fine, custom_id: "b" }));
    expect(desk.provider.requests[0]?.body).toEqual({ requests: [fine, { ...fine, custom_id: "b" }] });
  });

  it("of thousands that are alike is a few questions, and one that is not is found among them", async () => {
    const many = Array.from({ length: 5000 }, (_, index) => ({ custom_id: `${index}`, params: haiku }));
    await denial(batch(...many.slice(0, 3000), { custom_id: "x", params: opus }, ...many.slice(3000)));
    desk.reset();
    await allowed(batch(...many));
    expect(desk.records).toHaveLength(1);
  });
});

describe("an endpoint that the operator admits", () => {
  const endpoints = {
    "POST /files": { model: "files", action: "files" },
    "GET /files/*/content": { model: "files", action: "files" },
    "POST /uploads": { model: "files", action: "files" },
    "POST /batches": { model: "files", action: "batch" },
    "POST /evals": { model: "gpt-4o", action: "completion" },
    "POST /evals/*/runs": { model: "gpt-4o-mini", action: "completion" },
    "POST /fine_tuning/alpha/graders/run": { model: "gpt-4o-mini", action: "completion" },
    "POST /fine_tuning/jobs": { model: "gpt-4o-mini", action: "completion" },
    "POST /threads/*/runs": { model: "gpt-4o-mini", action: "completion" },
    "POST /chatkit/*": { model: "gpt-4o-mini", action: "completion" },
  };
  const get = (path: string) => fetchOf({ endpoints })(desk.provider.openaiBaseURL + path);
  const upload = (purpose: string): FormData => {
    const form = new FormData();
    form.append("purpose", purpose);
    form.append("file", new File(["{}"], "notes.txt"));
    return form;
  };

  it("is decided as the option says", async () => {
    await allowed(send("/files", upload("user_data"), { endpoints }));
    desk.reset();
    await allowed(get("/files/file-1/content"));
    desk.reset();
    await allowed(send("/uploads", { purpose: "user_data", bytes: 1 }, { endpoints }));
    desk.reset();
    expect((await denial(send("/evals", {}, { endpoints }))).code).toBe("policy_denied");
  });

  it("is no other one", async () => {
    await denial(get("/files/file-1"));
    await denial(get("/files/file-1%2F..%2F..%2Fmodels/content"));
    await denial(get("/files/a/b/content"));
    await denial(get("/filesx"));
    await denial(get("/FILES/file-1/content"));
    await denial(send("/files/", new FormData(), { endpoints }));
    await denial(send("/files", { model: "gpt-4o" }, { endpoints }));
  });

  it("lets no batch through that nobody has read", async () => {
    for (const purpose of ["batch", "Batch", " batch", "batch\n"]) {
      await denial(send("/files", upload(purpose), { endpoints }));
      await denial(send("/uploads", { purpose, bytes: 1 }, { endpoints }));
    }
    const twice = upload("user_data");
    twice.append("purpose", "batch");
    await denial(send("/files", twice, { endpoints }));
    expect((await denial(send("/batches", { input_file_id: "f" }, { endpoints }))).reason).toMatch(
      /batchFiles/,
    );
  });

  it("is decided by every model that grades, labels or runs in it", async () => {
    const grader = (model: string) => ({ type: "score_model", model, name: "a", input: [] });
    const graders = "/fine_tuning/alpha/graders/run";
    const jobs = "/fine_tuning/jobs";
    for (const [path, body] of [
      [graders, { grader: grader("gpt-4o") }],
      [graders, { grader: { type: "multi", graders: { a: grader("gpt-4o") } } }],
      [jobs, { training_file: "f", model: "gpt-4o" }],
      [jobs, { training_file: "f", method: { reinforcement: { grader: grader("gpt-4o") } } }],
      ["/evals/e/runs", { data_source: { type: "completions", model: "gpt-4o" } }],
      ["/evals/e/runs", { data_source: { sampling_params: { tools: [{ type: "code_interpreter" }] } } }],
      ["/evals/e/runs", { testing_criteria: [{ type: "label_model", model: "gpt-4o" }] }],
    ] as const) {
      await denial(send(path, body, { endpoints }));
    }
    await allowed(send(graders, { grader: grader("gpt-4o-mini") }, { endpoints }));
    desk.reset();
    await allowed(send(jobs, { training_file: "f", model: "gpt-4o-mini" }, { endpoints }));
  });

  it("runs no assistant that the operator has not named", async () => {
    const run = { assistant_id: "asst_1" };
    for (const path of ["/threads/t/runs", "/threads/runs", "/chatkit/sessions"]) {
      expect((await denial(send(path, run, { endpoints }))).reason).toMatch(/option `assistants`/);
      await denial(send(path, { deep: [run] }, { endpoints }));
      await denial(send(path, { Assistant_Id: "asst_1" }, { endpoints }));
    }
  });
});

describe("an agent that Azure keeps", () => {
  const agent = { type: "agent_reference", name: "refund-bot", version: "2" };
  const body = { input: "x", agent };

  it("is denied, because nobody here sees its model, until the operator names it", async () => {
    for (const request of [
      body,
      { ...body, model: "gpt-4o-mini" },
      { ...mini, input: "x", agent_reference: agent },
      { ...mini, input: "x", extra_body: { agent } },
    ]) {
      expect((await denial(send(responses, request))).reason).toMatch(/option `assistants`/);
    }
    const assistants = { "refund-bot": "gpt-4o-mini" };
    await denial(send(responses, { input: "x", agent: { ...agent, name: "other" } }, { assistants }));
    await denial(send(responses, { ...body, model: "gpt-4o" }, { assistants }));
    await denial(send(responses, body, { assistants: { "refund-bot": "gpt-4o" } }));
    await allowed(send(responses, body, { assistants }));
  });

  it("may be who has said something before", async () => {
    const said = { type: "message", role: "assistant", content: [], agent_reference: agent };
    await allowed(send(responses, { ...mini, input: [said] }));
  });
});

describe("an assistant", () => {
  const run = { assistant_id: "asst_1" };
  const assistants = { asst_1: "gpt-4o-mini", asst_2: "gpt-4o" };
  const runs = ["/threads/runs", "/threads/thread_1/runs"];

  it("is denied, because nobody here sees its model, until the operator names it", async () => {
    for (const path of runs) {
      desk.reset();
      expect((await denial(send(path, run))).reason).toMatch(/option `assistants`/);
      await denial(send(path, { ...run, model: "gpt-4o-mini" }));
      await denial(send(path, { assistant_id: ["asst_1"] }, { assistants }));
      await denial(send(path, { assistant_id: "constructor" }, { assistants }));
      await denial(send(path, {}, { assistants }));
      desk.reset();
      await allowed(send(path, { ...run, model: null, tools: null }, { assistants }));
      expect(desk.records.map(({ hop }) => `${hop.action} ${hop.name}`)).toEqual(["completion gpt-4o-mini"]);
    }
  });

  it("is decided by its own model, by the one that the run names, and by what the run declares", async () => {
    for (const path of runs) {
      expect((await denial(send(path, { assistant_id: "asst_2" }, { assistants }))).hop.name).toBe("gpt-4o");
      await denial(send(path, { assistant_id: "asst_2", model: "gpt-4o-mini" }, { assistants }));
      await denial(send(path, { ...run, model: "gpt-4o" }, { assistants }));
      await denial(send(path, { ...run, tools: [{ type: "code_interpreter" }] }, { assistants }));
    }
  });

  it("is at no path that a server would decode to another", async () => {
    await denial(send("/threads/a%2Fb/runs", run, { assistants }));
    await denial(send("/threads/%2e%2e%2f/runs", run, { assistants }));
    await denial(send("/threads/a/b/runs", run, { assistants }));
  });
});

it("names the right principal in each of 100 interleaved calls of two users through one client", async () => {
  const raw = new OpenAI({ apiKey: "sk-local", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 });
  const users = await Promise.all(
    ["ann", "bob"].map(async (id) => ({
      id,
      client: guardOpenAI(raw, await desk.session(id === "ann" ? "analyst" : "intern", { id })),
    })),
  );
  const outcomes = await Promise.allSettled(
    Array.from({ length: 100 }, (_, index) => {
      const { client } = users[index % 2] ?? expect.fail();
      return client.chat.completions.create({
        ...mini,
        prompt_cache_key: `call-${index}`,
      } as OpenAI.ChatCompletionCreateParamsNonStreaming);
    }),
  );
  outcomes.forEach(({ status }, index) => expect(status).toBe(index % 2 === 0 ? "fulfilled" : "rejected"));
  expect(desk.provider.requests).toHaveLength(50);
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    const { decision_id } = await denialOf(Promise.reject(outcome.reason as Error));
    expect(desk.records.find((record) => record.decision_id === decision_id)?.subject.id).toBe("bob");
  }
  const subjects = desk.records.map(({ subject, effect }) => `${subject.id} ${effect}`);
  expect(subjects.filter((entry) => entry === "ann allow")).toHaveLength(50);
  expect(subjects.filter((entry) => entry === "bob deny")).toHaveLength(50);
  for (const { body } of desk.provider.requests) {
    expect(Number((body as { prompt_cache_key: string }).prompt_cache_key.slice(5)) % 2).toBe(0);
  }
});

describe("whatever is sent", () => {
  const named = fc.constantFrom("gpt-4o-mini", "gpt-image-1", "gpt-4o", "o3", "GPT-4O-MINI");
  /** A place in which a request may name a model, and what stands there. */
  const place = fc.oneof(
    fc.record({ models: fc.array(named, { maxLength: 2 }) }),
    fc.record({ fallbacks: fc.array(fc.record({ model: named }), { maxLength: 2 }) }),
    named.map((model) => ({ fallbacks: [{ "gpt-4o-mini": [model] }] })),
    named.map((model) => ({ moderation: { model } })),
    named.map((model) => ({ extra_body: { deep: { deployment_id: model } } })),
    named.map((model) => ({ tools: [{ type: "image_generation", model }] })),
    named.map((model) => ({
      input: [{ type: "additional_tools", tools: [{ type: "image_generation", model }] }],
    })),
    named.map((model) => ({ engine: model })),
    named.map((model) => ({ prompt: { id: model } })),
    named.map((model) => ({ metadata: { model } })),
  );
  const prompts = Object.fromEntries(["gpt-4o-mini", "gpt-image-1", "gpt-4o", "o3"].map((id) => [id, id]));

  it("reaches the provider only if the policy allows every model that it names", async () => {
    const guarded = fetchOf({ prompts });
    await fc.assert(
      fc.asyncProperty(
        fc.option(named, { nil: undefined }),
        fc.array(place, { maxLength: 3 }),
        async (model, places) => {
          desk.reset();
          const body = { ...Object.assign({}, ...places), ...(model !== undefined && { model }) } as object;
          const { metadata: _ignored, ...naming } = body as Record<string, unknown>;
          const names = modelsIn(naming);
          const { status } = await guarded(desk.provider.openaiBaseURL + responses, {
            method: "POST",
            headers: json,
            body: JSON.stringify(body),
          });
          const mayPass =
            (model !== undefined || "prompt" in body) && names.every((name) => analystModels.includes(name));
          expect(desk.provider.requests).toHaveLength(mayPass ? 1 : 0);
          if (!mayPass) expect(status).toBe(403);
        },
      ),
      { numRuns: 300 },
    );
  });

  /** Every string of the generated body is a model's name, the types of tools aside. */
  function modelsIn(value: unknown, key = ""): string[] {
    if (typeof value === "string") return key === "type" ? [] : [value];
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([name, member]) => modelsIn(member, name));
  }
});
