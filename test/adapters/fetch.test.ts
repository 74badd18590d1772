import { getEventListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { ConfigurationError, findDenial, type Session } from "hopguard";
import { guardFetch, type Fetch, type GuardFetchOptions } from "hopguard/fetch";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { brokenPdp } from "../support/other-pdps";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { rejection } from "../support/model-sdks";

const json = { "content-type": "application/json" };
const mini = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] };
const haiku = { max_tokens: 10, messages: [{ role: "user", content: "Hello" }] };

let desk: Desk;
let analyst: Session;

beforeAll(async () => {
  desk = await openDesk({ policies: labPolicies });
  analyst = await desk.session("analyst");
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

const guarded = (options: Partial<GuardFetchOptions> = {}, session = analyst): Fetch =>
  guardFetch(session, { baseURL: desk.provider.openaiBaseURL, ...options });
const chat = (): string => `${desk.provider.openaiBaseURL}/chat/completions`;
const post = (body: unknown): RequestInit => ({ method: "POST", headers: json, body: JSON.stringify(body) });
const isDenied = async (response: Response): Promise<boolean> =>
  response.status === 403 && findDenial(await response.json()) !== undefined;

describe("guardFetch", () => {
  it("sends what is allowed, and returns what the provider answers", async () => {
    const response = await guarded()(chat(), post(mini));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ model: "gpt-4o-mini" });
    expect(desk.provider.requests[0]?.body).toEqual(mini);
  });

  it("lets go of the signals once an answer was read, so that Node does not keep every call that there was", async () => {
    const given = new AbortController().signal;
    const sent: AbortSignal[] = [];
    const fetch = guarded({
      fetch: (_, init) => {
        if (init?.signal) sent.push(init.signal);
        return Promise.resolve(Response.json({ model: mini.model, choices: [] }));
      },
    });
    for (let turn = 0; turn < 12; turn++)
      await (await fetch(chat(), { ...post(mini), signal: given })).text();
    expect(sent).toHaveLength(12);
    expect([given, ...sent].flatMap((signal) => getEventListeners(signal, "abort"))).toEqual([]);
  });

  it("answers a denial in OpenAI's shape of an error, and sends nothing", async () => {
    const response = await guarded()(chat(), post({ ...mini, model: "gpt-4o" }));
    expect(response.status).toBe(403);
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "application/json",
      "x-should-retry": "false",
      "x-hopguard-decision": desk.records[0]?.decision_id,
    });
    const body = (await response.json()) as { error: object };
    expect(body.error).toMatchObject({ type: "permission_denied", code: "policy_denied", param: null });
    expect(findDenial(body)).toMatchObject({ decision: "deny", hop: { name: "gpt-4o" } });
    expect(desk.provider.requests).toEqual([]);
  });

  it("answers a denial in Anthropic's shape of an error", async () => {
    const fetch = guarded({ api: "anthropic", baseURL: desk.provider.url });
    const response = await fetch(
      `${desk.provider.url}/v1/messages`,
      post({ ...haiku, model: "claude-opus-5-5" }),
    );
    const body = (await response.json()) as { error: object };
    expect(body).toMatchObject({ type: "error", error: { type: "permission_error" } });
    expect(findDenial(body)?.hop.name).toBe("claude-opus-5-5");
    expect(desk.provider.requests).toEqual([]);
  });

  it.each<[string, (url: string, init: RequestInit) => Parameters<Fetch>]>([
    ["a URL", (url, init) => [new URL(url), init]],
    ["a Request", (url, init) => [new Request(url, init)]],
    ["a Request whose body is replaced", (url, init) => [new Request(url, post(mini)), init]],
    ["a Request whose method is replaced", (url, init) => [new Request(url), init]],
    [
      "an init of getters",
      (url, init) => [
        url,
        {
          ...init,
          get body() {
            return init.body as string;
          },
        },
      ],
    ],
    ["a method in lower case", (url, init) => [url, { ...init, method: "post" }]],
  ])("takes %s", async (_, given) => {
    const allowed = await guarded()(...given(chat(), post(mini)));
    expect(allowed.status).toBe(200);
    expect(desk.provider.requests).toMatchObject([{ method: "POST", body: mini }]);
    desk.reset();
    expect(await isDenied(await guarded()(...given(chat(), post({ ...mini, model: "gpt-4o" }))))).toBe(true);
    expect(desk.provider.requests).toEqual([]);
  });

  it("reads a getter once: what was checked is what is sent", async () => {
    let reads = 0;
    const bodies = [mini, { ...mini, model: "gpt-4o" }];
    const init = {
      method: "POST",
      headers: json,
      get body() {
        return JSON.stringify(bodies[reads++]);
      },
    };
    await guarded()(chat(), init);
    expect(reads).toBe(1);
    expect(desk.provider.requests[0]?.body).toEqual(mini);
  });

  it("sends what was given at the call, whatever happens to it afterwards", async () => {
    const bytes = new TextEncoder().encode(JSON.stringify(mini));
    const headers = new Headers({ ...json, "x-trace": "before" });
    const url = new URL(chat());
    const call = guarded()(url, { method: "POST", headers, body: bytes });
    bytes.set(new TextEncoder().encode('{"model":"gpt-4o",     '));
    headers.set("x-trace", "after");
    url.host = new URL(desk.elsewhere.url).host;
    expect((await call).status).toBe(200);
    expect(desk.provider.requests).toMatchObject([{ body: mini, headers: { "x-trace": "before" } }]);

    desk.reset();
    const form = new FormData();
    form.set("model", "gpt-image-1");
    form.set("image", new File(["png"], "a.png"));
    const edit = guarded()(`${desk.provider.openaiBaseURL}/images/edits`, { method: "POST", body: form });
    form.set("model", "gpt-4o");
    expect((await edit).status).toBe(200);
    expect(desk.provider.requests[0]?.fields?.[0]).toMatchObject({ name: "model", value: "gpt-image-1" });
    expect(desk.elsewhere.requests).toEqual([]);
  });

  it("sends to the host of the URL, whatever a header says", async () => {
    await guarded()(chat(), { ...post(mini), headers: { ...json, host: "evil.example" } });
    expect(desk.provider.requests[0]?.headers.host).toBe(new URL(desk.provider.url).host);
  });

  it("hands the real fetch what else the caller set, and never lets it follow a redirect", async () => {
    let seen: (RequestInit & { dispatcher?: unknown }) | undefined;
    const dispatcher = {};
    const fetch = guarded({
      fetch: (_, init) => {
        seen = init;
        return Promise.resolve(new Response());
      },
    });
    await fetch(chat(), { ...post(mini), keepalive: true, redirect: "follow", dispatcher } as RequestInit);
    expect(seen).toMatchObject({ keepalive: true, redirect: "manual", method: "POST" });
    expect(seen?.dispatcher).toBe(dispatcher);
    expect(new Headers(seen?.headers).get("content-type")).toBe("application/json");
  });

  it("throws what the real fetch throws", async () => {
    const fetch = guarded({ fetch: () => Promise.reject(new TypeError("no route to host")) });
    expect(await rejection(fetch(chat(), post(mini)))).toMatchObject({ message: "no route to host" });
  });

  it("rejects as fetch does when its signal aborts during the check, and sends nothing", async () => {
    const pdp = await brokenPdp(() => new Promise(() => undefined), 10_000);
    const session = await desk.session("analyst", { pdp });
    for (const given of [
      (signal: AbortSignal): Parameters<Fetch> => [chat(), { ...post(mini), signal }],
      (signal: AbortSignal): Parameters<Fetch> => [new Request(chat(), { ...post(mini), signal })],
    ]) {
      const controller = new AbortController();
      const call = rejection(guarded({}, session)(...given(controller.signal)));
      await sleep(30);
      controller.abort();
      expect(await call).toMatchObject({ name: "AbortError" });
    }
    const reason = new Error("enough");
    const aborted = guarded({}, session)(chat(), { ...post(mini), signal: AbortSignal.abort(reason) });
    expect(await rejection(aborted)).toBe(reason);
    expect(desk.provider.requests).toEqual([]);
    await pdp.stop();
  });

  it("gives up a body that never ends with the call", async () => {
    const cancelled: unknown[] = [];
    const body = new ReadableStream({ cancel: (reason) => void cancelled.push(reason) });
    const signal = AbortSignal.timeout(50);
    const call = guarded()(chat(), { method: "POST", headers: json, body, signal });
    expect(await rejection(call)).toMatchObject({ name: "TimeoutError" });
    expect(cancelled).toHaveLength(1);
    expect(desk.provider.requests).toEqual([]);
  });

  it("lets the SDKs find out what fetch can do, which reaches nobody", async () => {
    expect((await guarded()("data:,")).status).toBe(200);
    for (const other of ["data:,x", "data:text/plain,", new URL("data:,"), new Request("data:,"), "blob:x"]) {
      expect(await isDenied(await guarded()(other))).toBe(true);
    }
  });

  it("denies what it cannot read at all", async () => {
    for (const [input, init] of [
      ["/chat/completions", post(mini)],
      ["", post(mini)],
      [chat(), { ...post(mini), headers: { "bad header": "x" } }],
      [chat(), { ...post(mini), body: 7 }],
      [chat(), { ...post(mini), body: new ReadableStream({ pull: (c) => c.error(new Error("broken")) }) }],
      [undefined, undefined],
    ] as unknown as Parameters<Fetch>[]) {
      expect(await isDenied(await guarded()(input, init))).toBe(true);
    }
    expect(desk.provider.requests).toEqual([]);
  });

  it("knows the base URL with and without its version, and no place beside it", async () => {
    const { url } = desk.provider;
    const known: [string, string][] = [
      [url, `${url}/v1/chat/completions`],
      [`${url}/`, `${url}/v1/chat/completions`],
      [`${url}/v1/`, `${url}/v1/chat/completions`],
    ];
    for (const [baseURL, target] of known) {
      expect((await guarded({ baseURL })(target, post(mini))).status).toBe(200);
    }
    desk.reset();
    const unknown: [string, string][] = [
      [`${url}/v1`, `${url}/chat/completions`],
      [`${url}/v1`, `${url}/v11/chat/completions`],
      [`${url}/v1`, `${url}/v1/../v2/chat/completions`],
      [`${url}/gateway/openai`, `${url}/gateway/openai-eu/chat/completions`],
      [`${url}/v1`, `${url.replace("127.0.0.1", "localhost")}/v1/chat/completions`],
      [`${url}/v1`, `${url.replace("http:", "https:")}/v1/chat/completions`],
      [`${url}/v1`, `${desk.elsewhere.url}/v1/chat/completions`],
      [`${url}/v1`, `${url}@${new URL(desk.elsewhere.url).host}/v1/chat/completions`],
    ];
    for (const [baseURL, target] of unknown) {
      expect(await isDenied(await guarded({ baseURL })(target, post(mini)))).toBe(true);
    }
    expect(desk.provider.requests).toEqual([]);
    expect(desk.elsewhere.requests).toEqual([]);
  });

  it("names the option that is wrong", () => {
    const make = (options: unknown) => () => guardFetch(analyst, options as GuardFetchOptions);
    expect(make(undefined)).toThrow(ConfigurationError);
    expect(make({})).toThrow(/guardFetch\.baseURL/);
    expect(make({ baseURL: "api.openai.com" })).toThrow(/guardFetch\.baseURL/);
    expect(make({ baseURL: "file:///v1" })).toThrow(/guardFetch\.baseURL/);
    expect(make({ baseURL: "https://a.example", api: "gemini" })).toThrow(/guardFetch\.api/);
    expect(make({ baseURL: "https://a.example", api: "constructor" })).toThrow(/guardFetch\.api/);
    expect(make({ baseURL: "https://a.example", fetch: "fetch" })).toThrow(/guardFetch\.fetch/);
    expect(make({ baseURL: "https://a.example", tool: {} })).toThrow(/tool/);
    expect(() => guardFetch(undefined as never, { baseURL: "https://a.example" })).toThrow(/session/);
  });
});

describe("guardFetch before Bedrock and Vertex", () => {
  const bedrock = (model: string, body: object = haiku, headers: object = {}, options: object = {}) =>
    guarded({ api: "anthropic", baseURL: desk.provider.url, ...options })(
      `${desk.provider.url}/model/${model}/invoke`,
      { ...post(body), headers: { ...json, ...headers } },
    );
  const vertex = (model: string, body: object = haiku, method = "rawPredict") =>
    guarded({ api: "anthropic", baseURL: `${desk.provider.url}/v1` })(
      `${desk.provider.url}/v1/projects/p/locations/europe-west1/publishers/anthropic/models/${model}:${method}`,
      post(body),
    );

  it("reads the model from the URL", async () => {
    expect(await isDenied(await bedrock("claude-opus-5-5"))).toBe(true);
    expect(
      await isDenied(await bedrock("arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Amodel%2Fclaude-haiku-5-5")),
    ).toBe(true);
    expect(await isDenied(await vertex("claude-opus-5-5"))).toBe(true);
    expect(await isDenied(await vertex("claude-opus-5-5", haiku, "streamRawPredict"))).toBe(true);
    expect(await isDenied(await vertex("claude-haiku-5-5", haiku, "predict"))).toBe(true);
    expect(desk.provider.requests).toEqual([]);
    await bedrock("claude-haiku-5-5");
    await vertex("claude-haiku-5-5");
    await vertex("claude-haiku-5-5", haiku, "streamRawPredict");
    expect(desk.provider.requests).toHaveLength(3);
  });

  it("knows no other operation, and no path that a server would decode to another", async () => {
    const at = (path: string) =>
      guarded({ api: "anthropic", baseURL: desk.provider.url })(`${desk.provider.url}${path}`, post(haiku));
    const publisher = "publishers/anthropic/models/claude-haiku-5-5:rawPredict";
    for (const path of [
      "/model/claude-haiku-5-5/converse",
      "/model/claude-haiku-5-5/converse-stream",
      "/model/claude-haiku-5-5%2F..%2Fclaude-opus-5-5/invoke",
      "/model/claude-haiku-5-5%252F..%252Fclaude-opus-5-5/invoke",
      "/async-invoke",
      `/v1/projects/p%2Flocations%2Fx%2Fpublishers%2Fother/locations/l/${publisher}`,
      `/v1/projects/p/locations/l%2F..%2F../${publisher}`,
      "/v1/projects/p/locations/l/publishers/other/models/claude-haiku-5-5:rawPredict",
      "/v1/projects/p/locations/l/endpoints/1:rawPredict",
    ]) {
      expect(await isDenied(await at(path)), path).toBe(true);
    }
    expect(desk.provider.requests).toEqual([]);
  });

  it("denies a body that names another model than the URL", async () => {
    expect(await isDenied(await bedrock("claude-haiku-5-5", { ...haiku, model: "claude-opus-5-5" }))).toBe(
      true,
    );
    expect(await isDenied(await vertex("claude-haiku-5-5", { ...haiku, model: "claude-opus-5-5" }))).toBe(
      true,
    );
    expect(await isDenied(await vertex("count-tokens", { ...haiku, model: "claude-opus-5-5" }))).toBe(true);
    expect(desk.provider.requests).toEqual([]);
    await vertex("count-tokens", { ...haiku, model: "claude-haiku-5-5" });
    expect(desk.records.at(-1)?.hop).toMatchObject({ name: "claude-haiku-5-5", action: "count_tokens" });
  });

  it("does not change what is signed: it sends the very bytes, or denies", async () => {
    const authorization =
      "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/bedrock/aws4_request, Signature=s";
    const headers = {
      authorization,
      "content-type": "application/json; charset=utf-8",
      "x-amz-date": "20260101T000000Z",
    };
    const tool = (name: string) => ({ name, input_schema: { type: "object" } });
    const tools = { note: { toolset: "desk" }, salaries: { server: "payroll" } };
    let sent: RequestInit | undefined;
    const fetch: Fetch = (_, init) => {
      sent = init;
      return Promise.resolve(new Response("{}"));
    };
    await bedrock("claude-haiku-5-5", { ...haiku, tools: [tool("note")] }, headers, { fetch, tools });
    expect(sent?.body).toBe(JSON.stringify({ ...haiku, tools: [tool("note")] }));
    expect(Object.fromEntries(new Headers(sent?.headers))).toEqual(headers);
    sent = undefined;
    const hidden = await bedrock("claude-haiku-5-5", { ...haiku, tools: [tool("salaries")] }, headers, {
      fetch,
      tools,
    });
    expect(await isDenied(hidden)).toBe(true);
    expect(sent).toBeUndefined();
  });
});
