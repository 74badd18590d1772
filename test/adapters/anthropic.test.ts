import { setTimeout as sleep } from "node:timers/promises";
import type Anthropic from "@anthropic-ai/sdk";
import { ConfigurationError, findDenial, type Denial, type Session } from "hopguard";
import { guardAnthropic, type GuardAnthropicOptions } from "hopguard/anthropic";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { brokenPdp, deadPdp } from "../support/other-pdps";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { anthropicLines, denialOf, rejection } from "../support/model-sdks";

const messages = [{ role: "user" as const, content: "Hello" }];
const haiku = { model: "claude-haiku-5-5", max_tokens: 50, messages };
const opus = { ...haiku, model: "claude-opus-5-5" };

describe.each(anthropicLines)("guardAnthropic with $line", ({ Anthropic: SDK, hasMiddleware }) => {
  let desk: Desk;
  let analyst: Session;

  const connect = (options: object = {}): Anthropic =>
    new SDK({ apiKey: "sk-local", baseURL: desk.provider.anthropicBaseURL, ...options });
  const guarded = (options?: GuardAnthropicOptions, session = analyst): Anthropic =>
    guardAnthropic(connect(), session, options);
  const nothingSent = (): void => {
    expect(desk.provider.requests).toEqual([]);
    expect(desk.elsewhere.requests).toEqual([]);
  };

  beforeAll(async () => {
    desk = await openDesk({ policies: labPolicies });
    analyst = await desk.session("analyst");
  });
  afterAll(() => desk.close());
  beforeEach(() => desk.reset());

  describe("a call", () => {
    it("reaches the provider as it was made, when it is allowed", async () => {
      const { content } = await guarded().messages.create(haiku);
      expect(content).toMatchObject([{ type: "text", text: "This is claude-haiku-5-5." }]);
      expect(desk.provider.requests).toMatchObject([{ method: "POST", path: "/v1/messages", body: haiku }]);
    });

    it("that is denied throws the SDK's own PermissionDeniedError after one decision", async () => {
      const error = await rejection(guarded().messages.create(opus));
      expect(error).toBeInstanceOf(SDK.PermissionDeniedError);
      expect(error).toMatchObject({
        status: 403,
        error: { type: "error", error: { type: "permission_error" } },
      });
      expect((error as { denial: Denial }).denial).toEqual(findDenial(error));
      expect(findDenial(error)?.hop).toEqual({
        kind: "llm_model",
        name: "claude-opus-5-5",
        action: "completion",
      });
      expect(desk.records).toHaveLength(1);
      nothingSent();
    });

    it("is denied when the PDP is down, lies or hangs", async () => {
      const lying = await brokenPdp(() =>
        Response.json({ results: [{ actions: { completion: "EFFECT_ALLOW" } }] }),
      );
      const hanging = await brokenPdp(() => new Promise(() => undefined), 100);
      const codes = [];
      for (const pdp of [await deadPdp(), lying, hanging]) {
        const session = await desk.session("analyst", { pdp });
        codes.push((await denialOf(guarded({}, session).messages.create(haiku))).code);
      }
      expect(codes).toEqual(["pdp_unavailable", "pdp_invalid_response", "pdp_unavailable"]);
      nothingSent();
      await Promise.all([lying.stop(), hanging.stop()]);
    });

    it("that its caller aborts during the check ends as the SDK's abort, and is never sent", async () => {
      const pdp = await brokenPdp(() => new Promise(() => undefined), 10_000);
      const session = await desk.session("analyst", { pdp });
      const controller = new AbortController();
      const call = rejection(guarded({}, session).messages.create(haiku, { signal: controller.signal }));
      await sleep(50);
      controller.abort();
      expect(await call).toBeInstanceOf(SDK.APIUserAbortError);
      nothingSent();
      await pdp.stop();
    });

    it("decides each of several that run at once by itself", async () => {
      const client = guarded();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => client.messages.create(index % 2 ? opus : haiku)),
      );
      outcomes.forEach(({ status }, index) => expect(status).toBe(index % 2 ? "rejected" : "fulfilled"));
      expect(desk.provider.requests).toHaveLength(10);
    });

    it("to another endpoint is decided as what it is", async () => {
      const client = guarded();
      await client.messages.countTokens({ model: haiku.model, messages });
      expect(desk.records[0]?.hop.action).toBe("count_tokens");
      desk.reset();
      await denialOf(client.messages.countTokens({ model: opus.model, messages }));
      await denialOf(
        client.messages.batches.create({
          requests: [
            { custom_id: "a", params: haiku },
            { custom_id: "b", params: opus },
          ],
        }),
      );
      nothingSent();
      await client.messages.batches.create({ requests: [{ custom_id: "a", params: haiku }] });
      expect(desk.provider.requests).toHaveLength(1);
    });

    it("to an endpoint that the guard does not know is denied, and told which option admits it", async () => {
      const client = guarded();
      for (const call of [
        () => client.messages.batches.retrieve("batch_1"),
        () => client.beta.files.list(),
        () => client.get("/v1/organizations"),
        () => client.post("/v1/messages/", { body: haiku }),
        () => client.delete("/v1/models/claude-haiku-5-5"),
      ]) {
        expect((await denialOf(call())).reason).toMatch(/option `endpoints`/);
      }
      nothingSent();
      const endpoints = { "GET /messages/batches/*": { model: "files", action: "files" } };
      await rejection(guarded({ endpoints }).messages.batches.retrieve("batch_1"));
      expect(desk.provider.requests).toMatchObject([{ path: "/v1/messages/batches/batch_1" }]);
    });
  });

  it("lets allowed streams flow, and denies others before they begin", async () => {
    const client = guarded();
    expect(await client.messages.stream(haiku).finalText()).toBe("This is claude-haiku-5-5.");
    const events = [];
    for await (const { type } of await client.messages.create({ ...haiku, stream: true })) events.push(type);
    expect(events.at(-1)).toBe("message_stop");
    desk.reset();
    await denialOf(client.messages.stream(opus).finalText());
    await denialOf(client.messages.create({ ...opus, stream: true }));
    await denialOf(client.beta.messages.create({ ...opus, stream: true }));
    nothingSent();
  });

  describe("the copy", () => {
    it.each<[string, (client: Anthropic) => Anthropic]>([
      ["a timeout", (client) => client.withOptions({ timeout: 5000 })],
      ["another fetch", (client) => client.withOptions({ fetch: globalThis.fetch })],
      ["fetch: undefined", (client) => client.withOptions({ fetch: undefined })],
      ["other credentials", (client) => client.withOptions({ apiKey: null, authToken: "t" })],
      ["no middleware", (client) => client.withOptions({ middleware: [] })],
      ["the class's own withOptions", (client) => SDK.prototype.withOptions.call(client, {})],
      [
        "the options that it holds",
        (client) => new SDK({ ...(client as unknown as { _options: object })._options }),
      ],
    ])("stays guarded when it is derived with %s", async (_, derive) => {
      const client = derive(guarded()).withOptions({ maxRetries: 1 });
      await denialOf(client.messages.create(opus));
      nothingSent();
      expect((await client.messages.create(haiku)).model).toBe("claude-haiku-5-5");
    });

    it.runIf(hasMiddleware)(
      "decides after the SDK's own middleware, which may change the request",
      async () => {
        const middleware = [
          (request: Request, next: (request: Request) => Promise<Response>) =>
            next(new Request(request, { body: JSON.stringify(opus) })),
        ];
        const client = guardAnthropic(connect({ middleware }), analyst);
        await rejection(client.messages.create(haiku));
        nothingSent();
      },
    );

    it("refuses to have its fetch exchanged", async () => {
      const client = guarded() as unknown as Record<string, unknown>;
      expect(() => (client.fetch = globalThis.fetch)).toThrow(TypeError);
      await denialOf((client as unknown as Anthropic).messages.create(opus));
      nothingSent();
    });

    it("sends nothing to an absolute URL of another origin, and follows no redirect", async () => {
      await denialOf(guarded().post(`${desk.elsewhere.url}/v1/messages`, { body: haiku }));
      nothingSent();
      const location = `${desk.elsewhere.url}/v1/messages`;
      const redirect = () => Promise.resolve(new Response(null, { status: 307, headers: { location } }));
      const client = guardAnthropic(connect({ fetch: redirect }), analyst);
      expect(await rejection(client.messages.create(haiku))).toMatchObject({ status: 307 });
      nothingSent();
    });

    it("cannot be made of what is no client, without a session, or with a wrong option", () => {
      expect(() => guardAnthropic({} as never, analyst)).toThrow(ConfigurationError);
      expect(() => guardAnthropic(connect(), undefined as never)).toThrow(/guardAnthropic.*session/);
      expect(() => guardAnthropic(connect(), analyst, { tool: {} } as never)).toThrow(/tool/);
    });
  });

  describe("declared tools", () => {
    const tools = {
      customer_get: { server: "crm" },
      note: { toolset: "desk" },
      salaries: { server: "payroll" },
    };
    const tool = (name: string) => ({ name, input_schema: { type: "object" as const } });
    const ask = (more: object) => guarded({ tools }).messages.create({ ...haiku, ...more });

    it("are those that this principal may use", async () => {
      const declared = [
        tool("customer_get"),
        { ...tool("salaries"), type: "custom" },
        { ...tool("note"), type: null },
      ];
      await ask({ tools: declared, tool_choice: { type: "auto" } });
      expect(desk.provider.requests[0]?.body).toEqual({
        ...haiku,
        tools: [tool("customer_get"), { ...tool("note"), type: null }],
        tool_choice: { type: "auto" },
      });
    });

    it("take their list and choice with them when none is left", async () => {
      await ask({ tools: [tool("salaries")], tool_choice: { type: "any" } });
      expect(desk.provider.requests[0]?.body).toEqual(haiku);
    });

    it("are denied when tool_choice names one that is gone", async () => {
      const tool_choice = { type: "tool", name: "salaries" };
      await denialOf(ask({ tools: [tool("salaries"), tool("note")], tool_choice }));
      nothingSent();
    });

    it("of a batch are denied, because nothing is taken out of one", async () => {
      const params = { ...haiku, tools: [tool("salaries"), tool("note")] };
      await denialOf(guarded({ tools }).messages.batches.create({ requests: [{ custom_id: "a", params }] }));
      nothingSent();
    });

    it("may have been used before: what they were given names no model and no tool", async () => {
      const conversation = [
        ...messages,
        {
          role: "assistant" as const,
          content: [{ type: "tool_use" as const, id: "t", name: "note", input: { model: "x", tools: "y" } }],
        },
        {
          role: "user" as const,
          content: [{ type: "tool_result" as const, tool_use_id: "t", content: "done" }],
        },
      ];
      await ask({ messages: conversation, tools: [tool("note")] });
      expect(desk.provider.requests).toHaveLength(1);
    });
  });

  describe("the list of models", () => {
    it("holds only what the principal may use, page by page, and no cursor that names another", async () => {
      const pages = [
        { data: ["claude-opus-5-5", "claude-haiku-5-5", "claude-sonnet-5-5"], has_more: true },
        { data: ["claude-haiku-5-5"], has_more: false },
      ];
      const asked: string[] = [];
      const list = (url: string): Promise<Response> => {
        asked.push(new URL(url).search);
        const { data, has_more } = pages[asked.length - 1] ?? expect.fail();
        const models = data.map((id) => ({
          type: "model",
          id,
          display_name: id,
          created_at: "2025-01-01T00:00:00Z",
        }));
        return Promise.resolve(
          Response.json({ data: models, has_more, first_id: data[0], last_id: data.at(-1), models: data }),
        );
      };
      const client = guardAnthropic(connect({ fetch: list }), analyst);
      const first = await client.models.list();
      expect(JSON.stringify(first)).not.toMatch(/opus|sonnet/);
      const ids = [];
      asked.length = 0;
      for await (const { id } of client.models.list()) ids.push(id);
      expect(ids).toEqual(["claude-haiku-5-5", "claude-haiku-5-5"]);
      expect(asked).toEqual(["", "?after_id=claude-haiku-5-5"]);
    });

    it("shows one model only to those who may use it", async () => {
      expect((await guarded().models.retrieve("claude-haiku-5-5")).id).toBe("claude-haiku-5-5");
      desk.reset();
      await denialOf(guarded().models.retrieve("claude-opus-5-5"));
      nothingSent();
    });

    it("is not asked for when the PDP is down", async () => {
      const session = await desk.session("analyst", { pdp: await deadPdp() });
      await denialOf(guarded({}, session).models.list());
      nothingSent();
    });
  });
});
