import { setTimeout as delay } from "node:timers/promises";
import { OpenAI as OpenAI7 } from "openai";
import type { Session } from "hopguard";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Interception, RecordedRequest } from "../../../examples/shared/local-provider";
import { rejection } from "../../support/model-sdks";
import {
  anthropicClient,
  anthropicSdks,
  denialIn,
  expectNothingSent,
  modelDoors,
  onEveryPdp,
  openaiClient,
  openaiSdks,
  openStage,
  PROVIDER_KEY,
  type ModelClient,
  type Stage,
} from "../../support/threats";

/** How somebody might write a model that the policy knows, so that it is taken for another, or the other way round. */
const disguises: readonly [string, (model: string) => unknown][] = [
  ["in upper case", (model) => model.toUpperCase()],
  ["with one letter in upper case", (model) => model.replace(/[a-z]/, (letter) => letter.toUpperCase())],
  ["behind a provider's name", (model) => `openai/${model}`],
  ["behind a provider's name and a colon", (model) => `anthropic:${model}`],
  ["before a variant", (model) => `${model}:free`],
  ["before a date", (model) => `${model}-2024-07-18`],
  ["as a fine-tuned one", (model) => `ft:${model}:acme::1`],
  ["before a path", (model) => `${model}/../gpt-4o`],
  ["before a query", (model) => `${model}?model=gpt-4o`],
  ["in a list in a text", (model) => `${model},gpt-4o`],
  ["with a space behind it", (model) => `${model} `],
  ["with a space before it", (model) => ` ${model}`],
  ["with a no-break space", (model) => `${model}\u00a0`],
  ["with a tab", (model) => `${model}\t`],
  ["with a newline", (model) => `${model}\n`],
  ["with CRLF", (model) => `${model}\r\nx: y`],
  ["with a NUL", (model) => `${model}\u0000`],
  ["with a zero-width space", (model) => model.replace("-", "\u200b-")],
  ["with a zero-width joiner", (model) => model.replace("-", "-\u200d")],
  ["with a byte order mark", (model) => `\ufeff${model}`],
  ["with a soft hyphen", (model) => model.replace("-", "\u00ad-")],
  ["with an override of direction", (model) => `\u202e${model}`],
  ["with a combining accent", (model) => `${model}\u0301`],
  ["with a Cyrillic letter", (model) => model.replace(/[oa]/, (letter) => (letter === "o" ? "о" : "а"))],
  ["with another hyphen", (model) => model.replace("-", "‐")],
  [
    "in full width",
    (model) => model.replace(/[a-z]/, (letter) => String.fromCodePoint(letter.charCodeAt(0) + 0xfee0)),
  ],
  ["in mathematical letters", (model) => model.replace(/[a-z]/, "𝚐")],
  ["percent-encoded", (model) => model.replace("-", "%2D")],
  ["in an entity", (model) => model.replace("-", "&#45;")],
  ["as a glob", (model) => `${model.slice(0, -1)}*`],
  ["as a glob of everything", () => "*"],
  ["as a question mark", (model) => `${model.slice(0, -1)}?`],
  ["as a class of characters", (model) => `[${model[0] ?? ""}]${model.slice(1)}`],
  ["in braces", (model) => `{${model},gpt-4o}`],
  ["with a lone surrogate", (model) => `${model}\ud800`],
  ["as __proto__", () => "__proto__"],
  ["as constructor", () => "constructor"],
  ["as nothing", () => ""],
  ["as a list", (model) => [model]],
  ["as an object", (model) => ({ id: model })],
  ["as an object with toString", (model) => ({ toString: () => model })],
  ["as null", () => null],
  ["as a number", () => 4],
  ["as true", () => true],
  ["too long", (model) => model.repeat(100)],
];

onEveryPdp("the models that an agent may use", (pdp) => {
  let stage: Stage;
  let clerk: Session;
  /** What the provider answers in place of what it would, for a test that needs it. */
  let intercept: ((request: RecordedRequest) => Interception | undefined) | undefined;

  beforeAll(async () => {
    stage = await openStage(pdp, {
      provider: { intercept: (request) => intercept?.(request) },
    });
    clerk = await stage.session("clerk", { guard: { repeats: false } });
  });
  afterAll(() => stage.close());
  beforeEach(() => {
    stage.reset();
    intercept = undefined;
  });

  const openaiWorld = (url: string) => ({ baseURL: `${url}/v1`, apiKey: PROVIDER_KEY });

  describe.each(modelDoors)("with $name", ({ name, allowed, path, body, open }) => {
    const isOpenai = name.startsWith("openai");
    const post = (request: unknown, client: ModelClient = open(stage, clerk), to = path) =>
      client.post(to, { body: request });

    it("sends an allowed call to the provider, with the key", async () => {
      await post(body(allowed));
      expect(stage.upstream()).toHaveLength(1);
      expect(JSON.stringify(stage.provider.requests)).toContain(PROVIDER_KEY);
    });

    it.each(disguises)("denies an allowed model %s", async (_, disguise) => {
      const { code } = await denialIn(post(body(disguise(allowed))));
      expect(["policy_denied", "unsupported_hop", "arguments_invalid"]).toContain(code);
      expectNothingSent(stage);
    });

    it.each([
      ["a path below another", `${path}/../files`],
      ["a path with a dot", `.${path}`],
      ["an encoded dot", path.replace("/", "/%2e%2e/")],
      ["an encoded slash", `${path}%2f..%2ffiles`],
      ["backslashes", path.replaceAll("/", "\\")],
      ["a double slash", `/${path}`],
      ["a slash behind it", `${path}/`],
      ["another case", path.toUpperCase()],
      ["path parameters", `${path};model=gpt-4o`],
      ["a model in the query", `${path}?model=gpt-4o`],
      ["a model in the query, in another case", `${path}?Model=gpt-4o`],
      ["an engine in the query", `${path}?engine=gpt-4o`],
      ["a NUL", `${path}%00`],
      ["a space", `${path}%20`],
    ])("denies a denied model at %s, and never sends it", async (_, to) => {
      await rejection(post(body("gpt-4o"), open(stage, clerk), to));
      expectNothingSent(stage);
    });

    it.each<[string, (here: string, there: string) => string]>([
      ["another origin", (_, there) => `http://${there}/v1`],
      ["another origin in upper case", (_, there) => `HTTP://${there}/v1`],
      ["the same host at another port", (here) => `http://${here.replace(/:\d+$/, ":9")}/v1`],
      ["another scheme", (here) => `https://${here}/v1`],
      ["a user in the URL", (here) => `http://user:secret@${here}/v1`],
      ["the provider as the user", (here, there) => `http://${here}@${there}/v1`],
      ["the base URL as the user", (here, there) => `http://${here.split(":")[0] ?? ""}:80@${there}/v1`],
      ["a URL without a scheme", (_, there) => `//${there}/v1`],
      ["a URL of backslashes", (_, there) => `\\\\${there}\\v1`],
      ["a userinfo that is glued on", (_, there) => `@${there}/v1`],
      ["a host that is glued on", (_, there) => `.${there}/v1`],
      ["the host by another name", (here) => `http://${here.replace("127.0.0.1", "localhost")}/v1`],
      ["a data: URL", () => "data:application/json,{}#"],
      ["a file: URL", () => "file:///etc/passwd#"],
      ["a blob: URL", (_, there) => `blob:http://${there}/`],
    ])("takes neither a call nor the key to %s", async (_, lead) => {
      const here = new URL(stage.provider.url).host;
      const there = new URL(stage.elsewhere.url).host;
      await rejection(
        open(stage, clerk, { maxRetries: 0 }).post(lead(here, there) + path, { body: body(allowed) }),
      );
      expectNothingSent(stage);
    });

    it.each<[string, (client: ModelClient) => ModelClient]>([
      ["nothing", (client) => client.withOptions({})],
      ["another fetch", (client) => client.withOptions({ fetch: globalThis.fetch })],
      ["another fetch twice", (client) => client.withOptions({ fetch }).withOptions({ fetch })],
      ["another key", (client) => client.withOptions({ apiKey: "sk-other" })],
      ["another base URL", (client) => client.withOptions({ baseURL: stage.elsewhere.url })],
      ["fetch options of its own", (client) => client.withOptions({ fetchOptions: { redirect: "follow" } })],
      ["headers of its own", (client) => client.withOptions({ defaultHeaders: { "x-model": "gpt-4o" } })],
      ["a query of its own", (client) => client.withOptions({ defaultQuery: { model: "gpt-4o" } })],
      ["middleware", (client) => client.withOptions({ middleware: [] })],
      ["credentials", (client) => client.withOptions({ credentials: null, credential: undefined })],
      ["a provider", (client) => client.withOptions({ provider: undefined })],
    ])("stays guarded as a copy with %s", async (_, derive) => {
      let client: ModelClient;
      try {
        client = derive(open(stage, clerk));
      } catch {
        return; // An option that this version of the SDK refuses.
      }
      await denialIn(client.post(path, { body: body("gpt-4o") }));
      expectNothingSent(stage);
    });

    it("decides what a call's own fetch options make of the request", async () => {
      const client = open(stage, clerk);
      const instead = JSON.stringify(body("gpt-4o"));
      for (const fetchOptions of [
        { body: instead },
        { body: Buffer.from(instead) },
        { body: new Blob([instead]) },
        { method: "DELETE" },
        { method: "delete", body: null },
        { headers: { "x-model": "gpt-4o" } },
      ]) {
        await rejection(client.post(path, { body: body(allowed), fetchOptions: fetchOptions as never }));
        expectNothingSent(stage);
      }
    });

    it.each(["get", "put", "patch", "delete"] as const)(
      "denies the method %s at the endpoint of a call",
      async (method) => {
        await denialIn(open(stage, clerk)[method](path, { body: body(allowed) }));
        expectNothingSent(stage);
      },
    );

    it.each([
      ["x-http-method-override", "DELETE"],
      ["x-model", "gpt-4o"],
      ["x-litellm-model-group", "gpt-4o"],
      ["helicone-fallbacks", "[]"],
      ["x-original-url", "/v1/files"],
      ["x-rewrite-url", "/v1/files"],
    ])("denies a call with the header %s", async (header, value) => {
      await denialIn(open(stage, clerk).post(path, { body: body(allowed), headers: { [header]: value } }));
      expectNothingSent(stage);
    });

    it.each([
      ["another model", { Model: "gpt-4o" }],
      ["a model in another case", { MODEL: "gpt-4o" }],
      ["substitutes", { models: ["gpt-4o"] }],
      ["fallbacks", { fallbacks: [{ model: "gpt-4o" }] }],
      [
        "a tool with a model of its own",
        { tools: [{ type: "image_generation", name: "i", model: "gpt-4o" }] },
      ],
      ["__proto__", JSON.parse('{"__proto__":{"model":"gpt-4o"}}') as object],
      ["a hosted MCP server", { tools: [{ type: "mcp", name: "m", server_url: "https://evil.example" }] }],
      [
        "Anthropic's hosted MCP server",
        { mcp_servers: [{ type: "url", name: "m", url: "https://evil.example" }] },
      ],
      ["a hosted web search", { tools: [{ type: "web_search", name: "web_search" }] }],
      ["a hosted web search of a date", { tools: [{ type: "web_search_20250305", name: "web_search" }] }],
      ["a hosted tool in another case", { tools: [{ type: "Web_Search", name: "web_search" }] }],
      ["a hosted tool without a type", { tools: [{ google_search: {} }] }],
      ["web search as an option", { web_search_options: {} }],
      [
        "code that runs at the provider",
        { tools: [{ type: "code_interpreter", name: "c", container: { type: "auto" } }] },
      ],
      ["200 levels", { metadata: nested(200) }],
    ])("denies an allowed model beside %s", async (_, more) => {
      const spread: object = Object.defineProperties(
        { ...body(allowed) },
        Object.getOwnPropertyDescriptors(more),
      );
      await denialIn(post(spread));
      expectNothingSent(stage);
    });

    it.each([
      ["the model twice", (text: string) => text.replace("{", '{"model":"gpt-4o",')],
      ["the model twice, once escaped", (text: string) => text.replace("{", '{"mod\\u0065l":"gpt-4o",')],
      ["a comment", (text: string) => `/* */${text}`],
      ["a byte order mark", (text: string) => `\ufeff${text}`],
      ["another object behind it", (text: string) => `${text}${text}`],
      ["a list of one", (text: string) => `[${text}]`],
      ["JSON in JSON", (text: string) => JSON.stringify(text)],
      ["a number beyond 2^53", (text: string) => text.replace("{", '{"seed":9007199254740993,')],
    ])("denies a body of text with %s", async (_, spoil) => {
      const headers = { "content-type": "application/json" };
      const spoilt = Buffer.from(spoil(JSON.stringify(body(allowed))));
      expect((await denialIn(open(stage, clerk).post(path, { body: spoilt, headers }))).code).toBe(
        "arguments_invalid",
      );
      expectNothingSent(stage);
    });

    it("sends what was checked, whatever happens to it while the call is under way", async () => {
      for (const turn of [() => Promise.resolve(), () => delay(0), () => delay(2)]) {
        const request: Record<string, unknown> = { ...body(allowed) };
        const pending = post(request);
        await turn();
        request.model = "gpt-4o";
        await Promise.allSettled([pending]);
      }
      expect(JSON.stringify(stage.upstream())).not.toContain('"gpt-4o"');
    });

    it("sends what was checked of a getter, a proxy and toJSON that answer differently each time", async () => {
      const model = (): string => (Math.random() < 0.5 ? allowed : "gpt-4o");
      const base = body(allowed);
      const trap = new Proxy(
        { ...base },
        { get: (target, key) => (key === "model" ? model() : (Reflect.get(target, key) as unknown)) },
      );
      const getter = Object.defineProperty({ ...base }, "model", { get: model, enumerable: true });
      const rewriting = { toJSON: () => ({ ...base, model: model() }) };
      await Promise.allSettled(
        Array.from({ length: 30 }, (_, index) => post([trap, getter, rewriting][index % 3])),
      );
      expect(JSON.stringify(stage.upstream())).not.toContain('"gpt-4o"');
    });

    it.each([301, 302, 303, 307, 308])(
      "follows no redirect of the provider with status %i, and takes the key nowhere",
      async (status) => {
        intercept = () => ({ status, headers: { location: stage.elsewhere.url + path } });
        const error = await rejection(post(body(allowed), open(stage, clerk, { maxRetries: 0 })));
        expect(error).toMatchObject({ status });
        expect(stage.provider.requests).toHaveLength(1);
        expect(stage.elsewhere.requests).toEqual([]);
      },
    );

    it.each([408, 409, 429, 500, 503])(
      "decides again when a provider's %i makes the SDK repeat the call, and a revocation in between counts",
      async (status) => {
        const id = `revoked-after-${status}-${name}`;
        const session = await stage.session("clerk", { id });
        intercept = () => {
          // The store is in memory: it is revoked before the answer leaves.
          void stage.guard.revoke({ principal: id });
          return { status, headers: { "retry-after-ms": "1" }, body: { error: { message: "again" } } };
        };
        expect((await denialIn(post(body(allowed), open(stage, session)))).code).toBe("revoked");
        expect(stage.provider.requests).toHaveLength(1);
      },
    );

    it("takes no denial that the provider forges for one of its own", async () => {
      const { denial } = (await rejection(post(body("gpt-4o")))) as { denial: object };
      expect(denial).toMatchObject({ decision: "deny", code: "policy_denied" });
      intercept = () => ({
        status: 403,
        headers: { "x-should-retry": "false", "x-hopguard-decision": "forged" },
        body: { type: "error", denial, error: { message: "no", type: "permission_error", denial } },
      });
      const error = await rejection(post(body(allowed)));
      expect(error).toMatchObject({ status: 403 });
      expect(error).not.toHaveProperty("denial");
    });

    it("denies whatever a policy of names to avoid cannot know: a name that is not printable ASCII", async () => {
      // Such a policy allows every name but some: what looks like one of them, and is not, must not get as far.
      const buyer = await stage.session("buyer", { guard: { repeats: false } });
      const avoided = isOpenai ? "gpt-4o" : "claude-opus-5-5";
      expect((await denialIn(post(body(avoided), open(stage, buyer)))).code).toBe("policy_denied");
      const invisible = disguises
        .map(([, disguise]) => disguise(avoided))
        .filter((model) => typeof model !== "string" || !/^[\x21-\x7e]{1,256}$/.test(model));
      expect(invisible.length).toBeGreaterThan(25);
      for (const model of invisible) await denialIn(post(body(model), open(stage, buyer)));
      expectNothingSent(stage);
    });

    it("ends a call that is aborted before or while it is checked, and sends nothing", async () => {
      const client = open(stage, clerk, { maxRetries: 0 });
      await rejection(client.post(path, { body: body(allowed), signal: AbortSignal.abort() }));
      for (const turn of [() => Promise.resolve(), () => delay(0)]) {
        const controller = new AbortController();
        const pending = client.post(path, { body: body(allowed), signal: controller.signal });
        const ended = rejection(pending);
        await turn();
        controller.abort();
        await ended;
      }
      await delay(20);
      expectNothingSent(stage);
    });
  });

  describe.each(openaiSdks)("with Azure and $line", (sdk) => {
    const azure = (options: object) =>
      openaiClient({ ...sdk, OpenAI: sdk.AzureOpenAI }, stage, clerk, {
        baseURL: undefined,
        endpoint: stage.provider.url,
        apiVersion: "2025-01-01",
        ...options,
      });
    const ask = (client: OpenAI7, model: string) => client.chat.completions.create({ model, messages: [] });

    it("denies a deployment that the body's model is not, in both directions", async () => {
      await denialIn(ask(azure({ deployment: "gpt-4o" }), "gpt-4o-mini"));
      await denialIn(ask(azure({ deployment: "gpt-4o-mini" }), "gpt-4o"));
      await denialIn(
        ask(
          azure({ endpoint: undefined, baseURL: `${stage.provider.url}/openai/deployments/gpt-4o` }),
          "gpt-4o-mini",
        ),
      );
      for (const deployment of [
        "GPT-4O-mini",
        "gpt-4o-mini%20",
        "gpt-4o-mini/../gpt-4o",
        "gpt-4o%2f..%2fgpt-4o-mini",
        "gpt-4o-mini/x",
      ]) {
        await denialIn(ask(azure({ deployment }), "gpt-4o-mini"));
      }
      expectNothingSent(stage);
      await ask(azure({ deployment: "gpt-4o-mini" }), "gpt-4o-mini");
      expect(stage.upstream()).toHaveLength(1);
    });
  });

  describe("what runs at the provider is a hop of its own", () => {
    const hostedServers = { "https://till.example/mcp": "till", "https://vault.example/mcp": "vault" };
    const urls: readonly [string, string][] = [
      ["an unknown server", "https://evil.example/mcp"],
      ["a server that the policy denies", "https://vault.example/mcp"],
      ["another scheme", "http://till.example/mcp"],
      ["another port", "https://till.example:8443/mcp"],
      ["a user in the URL", "https://evil@till.example/mcp"],
      ["the server as the user", "https://till.example@evil.example/mcp"],
      ["another path", "https://till.example/mcp/admin"],
      ["a query", "https://till.example/mcp?x=1"],
      ["a fragment", "https://till.example/mcp#x"],
      ["a trailing dot", "https://till.example./mcp"],
      ["a Cyrillic letter", "https://tіll.example/mcp"],
      ["nothing", ""],
    ];

    it.each(urls)("OpenAI's MCP tool with %s", async (_, server_url) => {
      for (const sdk of openaiSdks) {
        const client = openaiClient(sdk, stage, clerk, {}, { hostedServers });
        await denialIn(
          client.responses.create({
            model: "gpt-4o-mini",
            input: "x",
            tools: [{ type: "mcp", server_label: "till", server_url }],
          }),
        );
      }
      expectNothingSent(stage);
    });

    it.each(urls)("Anthropic's MCP servers with %s", async (_, url) => {
      for (const sdk of anthropicSdks) {
        const client = anthropicClient(sdk, stage, clerk, {}, { hostedServers });
        await denialIn(
          client.beta.messages.create({
            model: "claude-haiku-5-5",
            max_tokens: 10,
            messages: [{ role: "user", content: "Hello" }],
            mcp_servers: [{ type: "url", name: "till", url }],
          }),
        );
      }
      expectNothingSent(stage);
    });

    it("passes where both hops are allowed", async () => {
      const [sdk] = openaiSdks;
      if (!sdk) return expect.fail("no SDK");
      const tools = [{ type: "mcp" as const, server_label: "till", server_url: "https://till.example/mcp" }];
      await openaiClient(sdk, stage, clerk, {}, { hostedServers }).responses.create({
        model: "gpt-4o-mini",
        input: "x",
        tools,
      });
      expect(stage.upstream()).toHaveLength(1);
      expect(stage.records.map(({ hop }) => `${hop.kind} ${hop.action}`).sort()).toEqual([
        "llm_model completion",
        "llm_model hosted_tools/mcp",
        "mcp_till initialize",
      ]);
    });
  });

  it("sends nothing when somebody makes a client out of the guarded one's own options for another place", async () => {
    const [, sdk] = openaiSdks;
    if (!sdk) return expect.fail("no SDK");
    const { _options } = openaiClient(sdk, stage, clerk) as unknown as { _options: object };
    const copy = new OpenAI7({ ..._options, ...openaiWorld(stage.elsewhere.url), maxRetries: 0 });
    await denialIn(copy.chat.completions.create({ model: "gpt-4o-mini", messages: [] }));
    expectNothingSent(stage);
  });
});

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}
