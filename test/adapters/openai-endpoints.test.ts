import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Session } from "hopguard";
import { guardOpenAI, type GuardOpenAIOptions } from "hopguard/openai";
import type OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { deadPdp } from "../support/other-pdps";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { denialOf, openaiLines } from "../support/model-sdks";

const messages = [{ role: "user" as const, content: "Hello" }];
const thisFile = fileURLToPath(import.meta.url);

describe.each(openaiLines)("guardOpenAI with $line", ({ OpenAI: SDK }) => {
  let desk: Desk;
  let analyst: Session;

  const guarded = (options?: GuardOpenAIOptions, session = analyst): OpenAI =>
    guardOpenAI(new SDK({ apiKey: "sk-local", baseURL: desk.provider.openaiBaseURL }), session, options);

  beforeAll(async () => {
    desk = await openDesk({ policies: labPolicies });
    analyst = await desk.session("analyst");
  });
  afterAll(() => desk.close());
  beforeEach(() => desk.reset());

  const sent = (): unknown => {
    expect(desk.provider.requests).toHaveLength(1);
    return desk.provider.requests[0]?.body;
  };

  describe("every endpoint is decided as what it is", () => {
    const action = (): string | undefined => desk.records[0]?.hop.action;

    it("embeddings", async () => {
      const { data } = await guarded().embeddings.create({ model: "text-embedding-3-small", input: "x" });
      expect(data).toHaveLength(1);
      expect(action()).toBe("embedding");
      desk.reset();
      await denialOf(guarded().embeddings.create({ model: "text-embedding-3-large", input: "x" }));
      expect(desk.provider.requests).toEqual([]);
    });

    it("moderations, which name no model of their own", async () => {
      const denial = await denialOf(guarded().moderations.create({ input: "x" }));
      expect(denial.reason).toContain("defaultModels");
      expect(desk.provider.requests).toEqual([]);
      desk.reset();
      const defaultModels = { moderation: "omni-moderation-latest" };
      await guarded({ defaultModels }).moderations.create({ input: "x" });
      expect(desk.records[0]?.hop).toMatchObject({ name: "omni-moderation-latest", action: "moderation" });
    });

    it("images", async () => {
      await guarded().images.generate({ model: "gpt-image-1", prompt: "a cat" });
      expect(action()).toBe("image");
      desk.reset();
      await denialOf(guarded().images.generate({ model: "dall-e-3", prompt: "a cat" }));
      expect(desk.provider.requests).toEqual([]);
    });

    it.each([
      ["a File", () => new File(["png"], "a.png", { type: "image/png" })],
      ["a stream of a file", () => createReadStream(thisFile)],
    ])("forms that upload %s", async (_, file) => {
      await guarded().images.edit({ model: "gpt-image-1", prompt: "a cat", image: file() });
      expect(desk.provider.requests[0]?.fields?.map(({ name }) => name).sort()).toEqual([
        "image",
        "model",
        "prompt",
      ]);
      desk.reset();
      const { text } = await guarded().audio.transcriptions.create({
        model: "gpt-4o-mini-transcribe",
        file: file(),
      });
      expect(text).toMatch(/A recording of [1-9]\d* bytes/);
      desk.reset();
      await denialOf(guarded().images.edit({ model: "gpt-image-2", prompt: "a cat", image: file() }));
      await denialOf(guarded().audio.transcriptions.create({ model: "whisper-1", file: file() }));
      expect(desk.provider.requests).toEqual([]);
    });

    it("files, once the operator admits them", async () => {
      const endpoints = { "POST /files": { model: "files", action: "files" } };
      const file = new File(["Dear customer"], "letter.txt");
      await guarded({ endpoints }).files.create({ file, purpose: "user_data" });
      expect(desk.provider.requests[0]).toMatchObject({ method: "POST", path: "/v1/files" });
      expect(desk.records[0]?.hop).toMatchObject({ name: "files", action: "files" });
      desk.reset();
      await denialOf(guarded().files.create({ file, purpose: "user_data" }));
      await denialOf(guarded({ endpoints }).files.create({ file, purpose: "batch" }));
      expect(desk.provider.requests).toEqual([]);
    });

    it("keys for realtime sessions, by the model of the session and of what transcribes for it", async () => {
      const create = (session: object) =>
        guarded().post("/realtime/client_secrets", { body: { session } }) as PromiseLike<unknown>;
      const transcribing = (model: string) => ({ audio: { input: { transcription: { model } } } });
      const realtime = { type: "realtime", model: "gpt-4o-mini" };
      await create({ ...realtime, ...transcribing("gpt-4o-mini-transcribe") });
      expect(desk.records.map(({ hop }) => `${hop.action} ${hop.name}`).sort()).toEqual([
        "realtime gpt-4o-mini",
        "realtime gpt-4o-mini-transcribe",
      ]);
      desk.reset();
      await create({ type: "transcription", ...transcribing("gpt-4o-mini-transcribe") });
      desk.reset();
      await denialOf(create({ ...realtime, model: "gpt-realtime" }));
      await denialOf(create({ ...realtime, ...transcribing("whisper-1") }));
      await denialOf(create({ type: "realtime", ...transcribing("gpt-4o-mini-transcribe") }));
      await denialOf(create({ ...realtime, tools: [{ type: "mcp", server_url: "https://evil.example" }] }));
      await denialOf(create({ ...realtime, prompt: { id: "pmpt_1" } }));
      await denialOf(guarded().post("/realtime/client_secrets", { body: {} }));
      await denialOf(
        guarded().post("/realtime/client_secrets", {
          body: { session: realtime, model: "gpt-realtime" },
        }),
      );
      expect(desk.provider.requests).toEqual([]);
    });

    it("responses in the background, which only the client that began them may ask for again", async () => {
      const begin = (model: string) => guarded().responses.create({ model, input: "x", background: true });
      const client = guarded();
      const { id } = await client.responses.create({ model: "gpt-4o-mini", input: "x", background: true });
      await client.responses.retrieve(id);
      await client.withOptions({ timeout: 1000 }).responses.cancel(id);
      expect(desk.records.map(({ hop, flags }) => [hop.name, hop.action, ...flags])).toEqual([
        ["gpt-4o-mini", "completion"],
        ["gpt-4o-mini", "completion", "look_up"],
        ["gpt-4o-mini", "completion"],
      ]);
      const { id: other } = await begin("gpt-4o-mini");
      desk.reset();
      await denialOf(client.responses.retrieve(other));
      await denialOf(client.responses.delete(other));
      await denialOf(guarded().responses.retrieve(id));
      expect(desk.provider.requests).toEqual([]);
      await client.responses.delete(id);
    });
  });

  describe("declared tools", () => {
    const tools = {
      customer_get: { server: "crm" },
      credit: { server: "crm" },
      customer_delete: { server: "crm" },
      salaries: { server: "payroll", tool: "payroll_list" },
      note: { toolset: "desk" },
      constructor: { server: "crm" },
      toString: { toolset: "desk" },
    };
    const tool = (name: string): OpenAI.ChatCompletionFunctionTool => ({
      type: "function",
      function: { name, parameters: { type: "object" } },
    });
    const ask = (more: object, options: GuardOpenAIOptions = { tools }, session?: Session) =>
      guarded(options, session).chat.completions.create({ model: "gpt-4o-mini", messages, ...more });
    const names = (): unknown =>
      (sent() as OpenAI.ChatCompletionCreateParams).tools?.map(
        (declared) => (declared as ReturnType<typeof tool>).function.name,
      );

    it("are sent as they are without a map", async () => {
      const declared = ["customer_get", "customer_delete", "whatever"].map(tool);
      await ask({ tools: declared }, {});
      expect(sent()).toEqual({ model: "gpt-4o-mini", messages, tools: declared });
    });

    it("are those that this principal may use, depending on their arguments or not", async () => {
      await ask({ tools: Object.keys(tools).map(tool) });
      expect(names()).toEqual(["customer_get", "credit", "note", "constructor", "toString"]);
    });

    it("that the map does not know are taken out", async () => {
      for (const unknown of [
        "whatever",
        "hasOwnProperty",
        "__proto__",
        "valueOf",
        "Customer_get",
        "customer_get ",
      ]) {
        desk.reset();
        await ask({ tools: [tool(unknown), tool("note")] });
        expect(names()).toEqual(["note"]);
      }
    });

    it("may be looked up with a function", async () => {
      const lookUp = (name: string) => (name === "n" ? { toolset: "desk", tool: "note" } : undefined);
      await ask({ tools: [tool("n"), tool("customer_get")] }, { tools: lookUp });
      expect(names()).toEqual(["n"]);
      desk.reset();
      for (const broken of [
        () => ({}),
        () => ({ server: "c-r-m" }),
        () => Promise.resolve(),
        () => {
          throw new Error("x");
        },
      ]) {
        await denialOf(ask({ tools: [tool("note")] }, { tools: broken as never }));
      }
      expect(desk.provider.requests).toEqual([]);
    });

    it("are gone twice, when two have one name", async () => {
      await ask({ tools: [tool("salaries"), tool("note"), tool("salaries"), tool("note")] });
      expect(names()).toEqual(["note", "note"]);
    });

    it("leave everything else as it was sent", async () => {
      const body = { temperature: 0.1, metadata: { note: "x" }, user: "u", stop: ["tools"] };
      await ask({
        tools: [tool("salaries"), tool("note")],
        tool_choice: "auto",
        parallel_tool_calls: false,
        ...body,
      });
      expect(sent()).toEqual({
        model: "gpt-4o-mini",
        messages,
        tools: [tool("note")],
        tool_choice: "auto",
        parallel_tool_calls: false,
        ...body,
      });
    });

    it("take their list with them when none is left, and what only makes sense beside it", async () => {
      await ask({ tools: [tool("salaries")], tool_choice: "required", parallel_tool_calls: true });
      expect(sent()).toEqual({ model: "gpt-4o-mini", messages });
    });

    it("take their namespace with them when none is left in it", async () => {
      const named = (name: string) => ({ type: "function", name, parameters: {} });
      const namespace = (...names: string[]) => ({
        ...{ type: "namespace", name: "desk", description: "The desk's." },
        tools: names.map(named),
      });
      const respond = (...tools: object[]): PromiseLike<unknown> =>
        guarded({ tools: { note: { toolset: "desk" } } }).responses.create({
          ...{ model: "gpt-4o-mini", input: "x", tool_choice: "required", tools },
        } as never);
      await respond(namespace("salaries"), namespace("salaries", "note"));
      expect(sent()).toMatchObject({ tools: [namespace("note")], tool_choice: "required" });
      desk.reset();
      await respond(namespace("salaries"));
      expect(sent()).toEqual({ model: "gpt-4o-mini", input: "x" });
    });

    it("may be of the old form", async () => {
      const functions = [{ name: "salaries" }, { name: "note" }];
      await ask({ functions, function_call: "auto" });
      expect(sent()).toEqual({
        model: "gpt-4o-mini",
        messages,
        functions: [{ name: "note" }],
        function_call: "auto",
      });
      desk.reset();
      await ask({ functions: [{ name: "salaries" }], function_call: "auto" });
      expect(sent()).toEqual({ model: "gpt-4o-mini", messages });
      desk.reset();
      await denialOf(ask({ functions, function_call: { name: "salaries" } }));
      expect(desk.provider.requests).toEqual([]);
      // What was called when it was allowed is no choice.
      const said = [
        { role: "assistant", content: null, function_call: { name: "salaries", arguments: "{}" } },
      ];
      await ask({ functions, messages: [...messages, ...said] });
      expect(sent()).toMatchObject({ functions: [{ name: "note" }], messages: [...messages, ...said] });
    });

    it.each<[string, object]>([
      ["function", { type: "function", function: { name: "salaries" } }],
      ["function of Responses", { type: "function", name: "salaries" }],
      ["custom", { type: "custom", custom: { name: "salaries" } }],
      [
        "allowed_tools",
        { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [tool("note"), tool("salaries")] } },
      ],
      [
        "allowed_tools of Responses",
        { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "salaries" }] },
      ],
    ])("are denied when tool_choice names one that is gone: %s", async (_, tool_choice) => {
      const { code, reason } = await denialOf(ask({ tools: [tool("salaries"), tool("note")], tool_choice }));
      expect(code).toBe("policy_denied");
      expect(reason).toContain('tool_choice names the tool "salaries"');
      expect(desk.provider.requests).toEqual([]);
    });

    it("may be chosen while they are there", async () => {
      const tool_choice = { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [tool("note")] } };
      await ask({ tools: [tool("salaries"), tool("note")], tool_choice });
      expect(sent()).toMatchObject({ tools: [tool("note")], tool_choice });
    });

    it("deny the request, if the operator wants it so", async () => {
      const { reason } = await denialOf(
        ask({ tools: [tool("note"), tool("salaries")] }, { tools, hiddenTools: "deny" }),
      );
      expect(reason).toContain('"salaries"');
      expect(desk.provider.requests).toEqual([]);
      await ask({ tools: [tool("note")] }, { tools, hiddenTools: "deny" });
    });

    it.each<[string, unknown]>([
      ["two names", { ...tool("note"), name: "salaries" }],
      ["two inner names", { type: "custom", function: { name: "note" }, custom: { name: "salaries" } }],
      ["no name", { type: "function", function: {} }],
      ["a name that is no text", { type: "function", function: { name: ["note"] } }],
      ["a type that is no text", { type: 1, name: "note" }],
      ["nothing", null],
    ])("are denied with %s", async (_, declared) => {
      await denialOf(ask({ tools: [declared] }));
      expect(desk.provider.requests).toEqual([]);
    });

    it("are found in the conversation, too", async () => {
      const flat = (name: string) => ({ type: "function", name, parameters: {}, strict: false });
      await guarded({ tools }).responses.create({
        model: "gpt-4o-mini",
        input: [{ type: "additional_tools", tools: [flat("salaries"), flat("note")] }] as never,
        tools: [flat("note")] as never,
      });
      expect(sent()).toEqual({
        model: "gpt-4o-mini",
        input: [{ type: "additional_tools", tools: [flat("note")] }],
        tools: [flat("note")],
      });
    });

    it("are not those that a hosted server listed before", async () => {
      const input = [
        { type: "mcp_list_tools", id: "m", server_label: "x", tools: [{ name: "x", input_schema: {} }] },
      ];
      await guarded({ tools }).responses.create({ model: "gpt-4o-mini", input: input as never });
      expect(sent()).toEqual({ model: "gpt-4o-mini", input });
    });

    it("deny the request when the PDP cannot say which of them may be shown", async () => {
      const session = await desk.session("analyst", { pdp: await deadPdp() });
      expect((await denialOf(ask({ tools: [tool("note")] }, { tools }, session))).code).toBe(
        "pdp_unavailable",
      );
      expect(desk.provider.requests).toEqual([]);
    });

    it("differ from user to user", async () => {
      const admin = await desk.session("payroll-admin");
      expect((await denialOf(ask({ tools: [tool("salaries")] }, { tools }, admin))).hop.name).toBe(
        "gpt-4o-mini",
      );
      expect(desk.provider.requests).toEqual([]);
    });
  });
});
