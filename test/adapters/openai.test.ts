import { setTimeout as sleep } from "node:timers/promises";
import { ConfigurationError, findDenial, type Denial, type Session } from "hopguard";
import { guardOpenAI, type GuardOpenAIOptions } from "hopguard/openai";
import OpenAI, { type ClientOptions } from "openai";
import { bedrock } from "openai/providers/bedrock";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { brokenPdp, deadPdp } from "../support/other-pdps";
import { openDesk, type Desk } from "../support/desk";
import { denialOf, openaiLines, rejection } from "../support/model-sdks";

const messages = [{ role: "user" as const, content: "Hello" }];
const hello = { model: "gpt-4o-mini", messages };
const denied = { model: "gpt-4o", messages };

describe.each(openaiLines)("guardOpenAI with $line", ({ OpenAI: SDK, AzureOpenAI, PermissionDenied }) => {
  let desk: Desk;
  let triage: Session;

  const connect = (options: ClientOptions = {}): OpenAI =>
    new SDK({ apiKey: "sk-local", baseURL: desk.provider.openaiBaseURL, ...options });
  const guarded = (session: Session, options?: GuardOpenAIOptions, client?: ClientOptions): OpenAI =>
    guardOpenAI(connect(client), session, options);

  beforeAll(async () => {
    desk = await openDesk();
    triage = await desk.session("autonomous-triage");
  });
  afterAll(() => desk.close());
  beforeEach(() => desk.reset());

  const nothingSent = (): void => {
    expect(desk.provider.requests).toEqual([]);
    expect(desk.elsewhere.requests).toEqual([]);
  };

  describe("a call", () => {
    it("reaches the provider as it was made, when it is allowed", async () => {
      const answer = await guarded(triage).chat.completions.create({ ...hello, temperature: 0.25 });
      expect(answer.choices[0]?.message.content).toBe("This is gpt-4o-mini.");
      expect(desk.provider.requests).toHaveLength(1);
      expect(desk.provider.requests[0]).toMatchObject({
        path: "/v1/chat/completions",
        headers: { authorization: "Bearer sk-local" },
        body: { ...hello, temperature: 0.25 },
      });
    });

    it("that is denied throws the SDK's own PermissionDeniedError after one decision", async () => {
      const error = await rejection(guarded(triage).chat.completions.create(denied));
      expect(error).toBeInstanceOf(PermissionDenied);
      expect(error).toMatchObject({ status: 403, code: "policy_denied" });
      expect((error as { denial: Denial }).denial).toEqual(findDenial(error));
      expect(findDenial(error)).toMatchObject({
        code: "policy_denied",
        reason: "model not approved for this role",
        remediation: { type: "use_model", model: "gpt-4o-mini" },
        hop: { kind: "llm_model", name: "gpt-4o", action: "completion" },
      });
      expect((error as Error).message).toContain("model not approved for this role");
      expect(desk.records).toHaveLength(1);
      expect(desk.records[0]).toMatchObject({
        effect: "deny",
        decision_id: findDenial(error)?.decision_id,
        agent: { id: "test-agent" },
      });
      nothingSent();
    });

    it("is denied when the PDP is down, with a denial that says that trying again can help", async () => {
      const session = await desk.session("autonomous-triage", { pdp: await deadPdp() });
      const denial = await denialOf(guarded(session).chat.completions.create(hello));
      expect(denial).toMatchObject({ code: "pdp_unavailable", retryable: true });
      nothingSent();
    });

    it("is denied when what answers is no PDP", async () => {
      const pdp = await brokenPdp(() => Response.json({ results: [] }));
      const session = await desk.session("autonomous-triage", { pdp });
      const denial = await denialOf(guarded(session).chat.completions.create(hello));
      expect(denial.code).toBe("pdp_invalid_response");
      nothingSent();
      await pdp.stop();
    });

    it("that its caller aborts during the check ends as the SDK's abort, and is never sent", async () => {
      const pdp = await brokenPdp(() => new Promise(() => undefined), 10_000);
      const session = await desk.session("autonomous-triage", { pdp });
      const controller = new AbortController();
      const call = rejection(
        guarded(session).chat.completions.create(hello, { signal: controller.signal, maxRetries: 0 }),
      );
      await sleep(50);
      controller.abort();
      expect(await call).toBeInstanceOf(SDK.APIUserAbortError);
      expect(desk.records).toMatchObject([{ effect: "deny", code: "aborted" }]);
      nothingSent();
      await pdp.stop();
    });

    it("decides each of several that run at once by itself", async () => {
      const client = guarded(triage);
      const models = Array.from({ length: 20 }, (_, index) => (index % 3 === 0 ? "gpt-4o" : "gpt-4o-mini"));
      const outcomes = await Promise.allSettled(
        models.map((model) => client.chat.completions.create({ model, messages })),
      );
      outcomes.forEach((outcome, index) =>
        expect(outcome.status).toBe(models[index] === "gpt-4o" ? "rejected" : "fulfilled"),
      );
      expect(desk.provider.requests.map(({ body }) => (body as { model: string }).model)).toEqual(
        models.filter((model) => model === "gpt-4o-mini"),
      );
    });

    it("is decided again when the provider's error makes the SDK repeat it", async () => {
      const session = await desk.session("autonomous-triage", { id: "revoked-between" });
      let calls = 0;
      const client = guarded(session, undefined, {
        fetch: async () => {
          if (++calls === 1) await desk.guard.revoke({ principal: "revoked-between" });
          return new Response("{}", { status: 500, headers: { "retry-after-ms": "1" } });
        },
      });
      const denial = await denialOf(client.chat.completions.create(hello));
      expect(denial.code).toBe("revoked");
      expect(calls).toBe(1);
    });
  });

  describe("streams", () => {
    it("flow when they are allowed", async () => {
      let text = "";
      for await (const chunk of await guarded(triage).chat.completions.create({ ...hello, stream: true })) {
        text += chunk.choices[0]?.delta.content ?? "";
      }
      expect(text).toBe("This is gpt-4o-mini.");
      const helper = guarded(triage).chat.completions.stream(hello);
      expect(await helper.finalContent()).toBe("This is gpt-4o-mini.");
      const responses = guarded(triage).responses.stream({ model: "gpt-4o-mini", input: "Hello" });
      expect((await responses.finalResponse()).output).toMatchObject([
        { content: [{ text: "This is gpt-4o-mini." }] },
      ]);
      expect(desk.provider.requests).toHaveLength(3);
    });

    it("are denied before they begin", async () => {
      const client = guarded(triage);
      const codes = await Promise.all([
        denialOf(client.chat.completions.create({ ...denied, stream: true })),
        denialOf(client.chat.completions.stream(denied).finalContent()),
        denialOf(client.responses.stream({ model: "gpt-4o", input: "Hello" }).finalResponse()),
      ]);
      expect(codes.map(({ code }) => code)).toEqual(["policy_denied", "policy_denied", "policy_denied"]);
      nothingSent();
    });
  });

  describe("the copy", () => {
    it("is a client of the same class, and leaves the one that was given alone", async () => {
      const raw = connect();
      const copy = guardOpenAI(raw, triage);
      expect(copy).toBeInstanceOf(SDK);
      expect(copy).not.toBe(raw);
      expect(copy.baseURL).toBe(raw.baseURL);
      await raw.chat.completions.create(denied);
      expect(desk.provider.requests).toHaveLength(1);
    });

    it.each<[string, (client: OpenAI) => OpenAI]>([
      ["a timeout", (client) => client.withOptions({ timeout: 5000 })],
      ["nothing", (client) => client.withOptions({})],
      ["another fetch", (client) => client.withOptions({ fetch: globalThis.fetch })],
      ["fetch: undefined", (client) => client.withOptions({ fetch: undefined })],
      ["another key", (client) => client.withOptions({ apiKey: "sk-other" })],
      ["a copy of a copy", (client) => client.withOptions({ maxRetries: 0 }).withOptions({ fetch })],
      ["the class's own withOptions", (client) => SDK.prototype.withOptions.call(client, { maxRetries: 1 })],
      [
        "the options that it holds",
        (client) => new SDK({ ...(client as unknown as { _options: ClientOptions })._options }),
      ],
      [
        "an object that inherits from it",
        (client) => Object.create(client, { maxRetries: { value: 0 } }) as OpenAI,
      ],
    ])("stays guarded when it is derived with %s", async (_, derive) => {
      const client = derive(guarded(triage));
      expect((await denialOf(client.chat.completions.create(denied))).code).toBe("policy_denied");
      nothingSent();
      const answer = await client.withOptions({ timeout: 5000 }).chat.completions.create(hello);
      expect(answer.model).toBe("gpt-4o-mini");
    });

    it("uses the fetch that a derived copy brings, once a call is allowed", async () => {
      let calls = 0;
      const client = guarded(triage).withOptions({
        fetch: (...given) => {
          calls++;
          return fetch(...given);
        },
      });
      await client.chat.completions.create(hello);
      await denialOf(client.chat.completions.create(denied));
      expect(calls).toBe(1);
    });

    it("refuses to have its fetch exchanged", async () => {
      const client = guarded(triage) as OpenAI & Record<string, unknown>;
      for (const name of ["fetch", "fetchWithTimeout", "withOptions", "makeStatusError"]) {
        expect(() => (client[name] = globalThis.fetch)).toThrow(TypeError);
        expect(Reflect.deleteProperty(client, name)).toBe(false);
        expect(() => Object.defineProperty(client, name, { value: fetch })).toThrow(TypeError);
      }
      expect((await denialOf(client.chat.completions.create(denied))).code).toBe("policy_denied");
      nothingSent();
    });

    it("asks both sessions when it is guarded twice", async () => {
      const support = await desk.session("tier-1-support");
      for (const client of [guardOpenAI(guarded(triage), support), guardOpenAI(guarded(support), triage)]) {
        expect((await denialOf(client.chat.completions.create(denied))).code).toBe("policy_denied");
        nothingSent();
      }
      await guardOpenAI(guarded(triage), support).chat.completions.create(hello);
      expect(desk.provider.requests).toHaveLength(1);
    });

    it("sends nothing to the base URL that somebody sets later", async () => {
      const client = guarded(triage);
      client.baseURL = desk.elsewhere.openaiBaseURL;
      expect((await denialOf(client.chat.completions.create(hello))).code).toBe("unsupported_hop");
      nothingSent();
    });

    it.each([null, {}, { baseURL: "https://api.openai.com/v1" }, "client", () => undefined])(
      "cannot be made of %s",
      (client) => {
        expect(() => guardOpenAI(client as never, triage)).toThrow(ConfigurationError);
      },
    );

    it("cannot be made without a session", () => {
      for (const session of [undefined, {}, desk.session("autonomous-triage")]) {
        expect(() => guardOpenAI(connect(), session as never)).toThrow(/session/);
      }
    });

    it("names the option that is wrong", () => {
      const wrong = (options: object) => () => guardOpenAI(connect(), triage, options);
      expect(wrong({ hiddenTool: "deny" })).toThrow(/hiddenTool/);
      expect(wrong({ hiddenTools: "maybe" })).toThrow(/guardOpenAI\.hiddenTools/);
      expect(wrong({ tools: { refund: { server: "pay-ments" } } })).toThrow(/guardOpenAI\.tools/);
      expect(wrong({ hostedServers: { "https://a.example": "A" } })).toThrow(/hostedServers/);
      expect(wrong({ defaultModels: { moderation: "a model" } })).toThrow(/defaultModels\.moderation/);
      expect(wrong({ endpoints: { "/files": { model: "x", action: "files" } } })).toThrow(/endpoints/);
      expect(wrong({ limits: { maxDepth: 0 } })).toThrow(/limits\.maxDepth/);
    });
  });

  describe("a raw call", () => {
    const text = JSON.stringify(denied);
    const json = { "content-type": "application/json" };
    async function* parts(): AsyncIterable<Uint8Array> {
      await Promise.resolve();
      yield Buffer.from(text.slice(0, 20));
      yield Buffer.from(text.slice(20));
    }

    it.each<[string, () => unknown]>([
      ["an object", () => denied],
      ["a string", () => text],
      ["a Buffer", () => Buffer.from(text)],
      ["an ArrayBuffer", () => new TextEncoder().encode(text).buffer],
      ["a Blob", () => new Blob([text])],
      ["a Blob of JSON", () => new Blob([text], { type: "application/json" })],
      ["a stream", () => new Blob([text]).stream()],
      ["an async iterable", () => parts()],
      ["parameters of a URL", () => new URLSearchParams({ model: "gpt-4o", messages: "[]" })],
      ["a form", () => formOf({ model: "gpt-4o", messages: "[]" })],
    ])("with %s for a body is read before it is decided", async (_, body) => {
      const client = guarded(triage);
      for (const headers of [json, {}]) {
        const denial = await denialOf(client.post("/chat/completions", { body: body() as never, headers }));
        expect(["policy_denied", "arguments_invalid"]).toContain(denial.code);
      }
      nothingSent();
    });

    it("with bytes arrives whole when it is allowed", async () => {
      const body = Buffer.from(JSON.stringify(hello));
      await guarded(triage).post("/chat/completions", { body: body, headers: json });
      expect(desk.provider.requests[0]?.body).toEqual(hello);
    });

    it("to another origin goes nowhere, and takes the key nowhere", async () => {
      const client = guarded(triage);
      const elsewhere = desk.elsewhere.url;
      for (const path of [
        `${elsewhere}/v1/chat/completions`,
        `${elsewhere.replace("http:", "HTTP:")}/v1/chat/completions`,
        `http://sk@${new URL(desk.provider.url).host}/v1/chat/completions`,
        `${desk.provider.url}@${new URL(elsewhere).host}/v1/chat/completions`,
        `@${new URL(elsewhere).host}/chat/completions`,
        `//${new URL(elsewhere).host}/v1/chat/completions`,
      ]) {
        expect(await denialOrError(client.post(path, { body: hello }))).toBe(true);
      }
      nothingSent();
    });

    it("to the same origin's absolute URL is decided like any other", async () => {
      const client = guarded(triage);
      const path = `${desk.provider.openaiBaseURL}/chat/completions`;
      expect((await denialOf(client.post(path, { body: denied }))).code).toBe("policy_denied");
      nothingSent();
      await client.post(path, { body: hello });
      expect(desk.provider.requests).toHaveLength(1);
    });

    it.each([
      "/../v1/chat/completions",
      "/chat/../chat/completions",
      "/files/..%2Fchat/completions",
      "/chat%2Fcompletions",
      "//chat/completions",
      "/chat//completions",
      "/Chat/Completions",
      "/chat/completions/",
      "/chat/completions;model=x",
      "/chat/completions%20",
      "/%63hat/completions",
      "/../admin/keys",
      "\\chat\\completions",
    ])("to %s never reaches the provider with a denied model", async (path) => {
      await rejection(guarded(triage).post(path, { body: denied }));
      nothingSent();
    });

    it("has its body decided, whatever fetchOptions put into its place", async () => {
      const client = guarded(triage);
      const body = JSON.stringify(denied);
      expect(
        (await denialOf(client.chat.completions.create(hello, { fetchOptions: { body } as never }))).code,
      ).toBe("policy_denied");
      const options = { fetchOptions: { method: "DELETE" } as never };
      expect((await denialOf(client.post("/models/gpt-4o-mini", { body: hello, ...options }))).code).toBe(
        "unsupported_hop",
      );
      nothingSent();
    });

    it("cannot name its model in the query", async () => {
      const query = { model: "gpt-4o" };
      const call = guarded(triage).chat.completions.create(hello, { query });
      expect((await denialOf(call)).code).toBe("unsupported_hop");
      nothingSent();
    });
  });

  it("follows no redirect of the provider's", async () => {
    const location = `${desk.elsewhere.openaiBaseURL}/chat/completions`;
    const open = await openDesk({
      provider: { intercept: () => ({ status: 307, headers: { location } }) },
    });
    const client = guardOpenAI(
      new SDK({ apiKey: "sk-local", baseURL: open.provider.openaiBaseURL, maxRetries: 0 }),
      await open.session("autonomous-triage"),
    );
    expect(await rejection(client.chat.completions.create(hello))).toMatchObject({ status: 307 });
    expect(open.provider.requests).toHaveLength(1);
    expect(desk.elsewhere.requests).toEqual([]);
    await open.close();
  });

  describe("Azure", () => {
    const azure = (deployment?: string, more: object = {}): OpenAI =>
      guardOpenAI(
        new AzureOpenAI({
          apiKey: "k",
          endpoint: desk.provider.url,
          apiVersion: "2025-01-01",
          ...(deployment && { deployment }),
          ...more,
        }),
        triage,
      );

    it("is decided by the deployment", async () => {
      await azure().chat.completions.create(hello);
      expect(desk.provider.requests[0]?.path).toBe(
        "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2025-01-01",
      );
      desk.reset();
      expect((await denialOf(azure().chat.completions.create(denied))).hop.name).toBe("gpt-4o");
      nothingSent();
    });

    it("keeps its deployment in a derived copy", async () => {
      await azure("gpt-4o-mini").withOptions({ timeout: 5000 }).chat.completions.create(hello);
      expect(desk.provider.requests[0]?.path).toContain("/deployments/gpt-4o-mini/");
    });

    it("denies a deployment that the body lies about", async () => {
      expect((await denialOf(azure("gpt-4o").chat.completions.create(hello))).code).toBe("unsupported_hop");
      expect((await denialOf(azure("gpt-4o-mini").chat.completions.create(denied))).code).toBe(
        "unsupported_hop",
      );
      nothingSent();
    });

    it("denies a deployment in the base URL that the body lies about", async () => {
      const baseURL = `${desk.provider.url}/openai/deployments/gpt-4o`;
      const client = azure(undefined, { endpoint: undefined, baseURL });
      expect((await denialOf(client.chat.completions.create(hello))).code).toBe("unsupported_hop");
      expect((await denialOf(client.chat.completions.create(denied))).code).toBe("policy_denied");
      nothingSent();
      const own = `${desk.provider.url}/openai/deployments/gpt-4o-mini`;
      await azure(undefined, { endpoint: undefined, baseURL: own }).chat.completions.create(hello);
      expect(desk.provider.requests).toHaveLength(1);
    });
  });

  describe("the list of models", () => {
    it("holds only what the principal may use", async () => {
      const ids = [];
      for await (const model of guarded(triage).models.list()) ids.push(model.id);
      expect(ids).toEqual(["gpt-4o-mini"]);
      const support = await guarded(await desk.session("tier-1-support")).models.list();
      expect(support.data.map(({ id }) => id)).toEqual(["gpt-4o", "gpt-4o-mini"]);
    });

    it("is not asked for when the PDP is down", async () => {
      const session = await desk.session("autonomous-triage", { pdp: await deadPdp() });
      expect((await denialOf(guarded(session).models.list())).code).toBe("pdp_unavailable");
      nothingSent();
    });

    it("passes the provider's own error on", async () => {
      const client = guarded(triage, undefined, {
        maxRetries: 0,
        fetch: () => Promise.resolve(Response.json({ error: { message: "no such key" } }, { status: 401 })),
      });
      expect(await rejection(client.models.list())).toMatchObject({ status: 401 });
    });

    it("shows one model only to those who may use it", async () => {
      expect((await guarded(triage).models.retrieve("gpt-4o-mini")).id).toBe("gpt-4o-mini");
      desk.reset();
      expect((await denialOf(guarded(triage).models.retrieve("gpt-4o"))).hop).toMatchObject({
        name: "gpt-4o",
        action: "list",
      });
      expect((await denialOf(guarded(triage).models.delete("gpt-4o-mini"))).code).toBe("unsupported_hop");
      nothingSent();
    });
  });

  describe("an endpoint that the guard does not know", () => {
    it("is denied, and the denial names the option that admits it", async () => {
      const client = guarded(triage);
      const file = new File(["{}"], "notes.txt");
      const denials = await Promise.all([
        denialOf(client.files.create({ file, purpose: "user_data" })),
        denialOf(client.batches.retrieve("batch_1")),
        denialOf(client.files.content("file-1")),
        denialOf(client.fineTuning.jobs.create({ model: "gpt-4o-mini", training_file: "f" })),
        denialOf(client.post("/assistants", { body: { model: "gpt-4o-mini" } })),
        denialOf(client.post("/realtime/calls", { body: { sdp: "v=0" } })),
        denialOf(client.responses.retrieve("resp_1")),
        denialOf(client.get("/chat/completions")),
      ]);
      for (const { code, reason } of denials) {
        expect(code).toBe("unsupported_hop");
        expect(reason).toMatch(/option `endpoints` admits it/);
      }
      nothingSent();
    });
  });
});

describe("guardOpenAI with openai 7", () => {
  let desk: Desk;
  let triage: Session;
  beforeAll(async () => {
    desk = await openDesk();
    triage = await desk.session("autonomous-triage");
  });
  afterAll(() => desk.close());
  beforeEach(() => desk.reset());

  const client = (): OpenAI =>
    guardOpenAI(new OpenAI({ apiKey: "sk-local", baseURL: desk.provider.openaiBaseURL }), triage);

  it("stays guarded when a copy gets a provider of its own", async () => {
    const provider = bedrock({
      apiKey: "k",
      region: "us-east-1",
      baseURL: desk.elsewhere.openaiBaseURL,
    });
    const copy = client().withOptions({ provider, apiKey: undefined });
    await denialOf(copy.chat.completions.create(denied));
    expect(desk.provider.requests).toEqual([]);
    expect(desk.elsewhere.requests).toEqual([]);
  });

  it("cannot be given another way to send than fetch", () => {
    const x509 = { apiKey: undefined, x509Transport: {}, workloadIdentity: { type: "x509" } };
    expect(() => client().withOptions(x509 as never)).toThrow(Error);
    const given = Object.assign(new OpenAI({ apiKey: "k" }), { _options: { x509Transport: {} } });
    expect(() => guardOpenAI(given, triage)).toThrow(/x509Transport/);
  });

  it("opens no WebSocket, because what is said over it cannot be seen", async () => {
    expect(() => new OpenAIRealtimeWebSocket({ model: "gpt-4o-mini" }, client())).toThrow(/WebSocket/);
    await sleep(20);
    expect(desk.records.map(({ code }) => code)).toEqual(["unsupported_hop"]);
    expect(desk.provider.requests).toEqual([]);
  });
});

function formOf(fields: Record<string, string>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

async function denialOrError(call: PromiseLike<unknown>): Promise<boolean> {
  const error = await rejection(call);
  return findDenial(error) !== undefined || error instanceof TypeError;
}
