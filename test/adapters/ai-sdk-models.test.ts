import type { AuditRecord, Session } from "hopguard";
import { findDenial } from "hopguard";
import {
  guardProvider,
  hopguardEmbeddingMiddleware,
  hopguardImageMiddleware,
  hopguardMiddleware,
  noModelsByName,
} from "hopguard/ai-sdk";
import { guardFetch } from "hopguard/fetch";
import type { LanguageModel } from "ai";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { openAiLab, type AiLab } from "../support/ai-lab";
import { aiLines, partsOf } from "../support/ai-sdks";
import { denialOf, rejection } from "../support/model-sdks";
import { deadPdp } from "../support/other-pdps";

const idle = { inputSchema: z.object({}), execute: () => "done" };

let lab: AiLab;
let analyst: Session;

beforeAll(async () => {
  lab = await openAiLab();
  analyst = await lab.analyst();
});
afterAll(() => lab.close());
beforeEach(() => {
  lab.reset();
  lab.play();
});
afterEach(() => {
  globalThis.AI_SDK_DEFAULT_PROVIDER = undefined;
});

const decided = (): readonly string[] =>
  lab.records.map(({ effect, hop }: AuditRecord) => `${effect} ${hop.name} ${hop.action}`);

describe.each(aiLines)("models under $line", ({ ai, createOpenAI }) => {
  const raw = () => createOpenAI({ apiKey: "none", baseURL: lab.provider.openaiBaseURL });
  const guarded = (options?: Parameters<typeof guardProvider>[2], session = analyst) =>
    guardProvider(raw(), session, options);
  const prompt = "Hello";

  it("are called when they are allowed, whatever they do", async () => {
    const openai = guarded();
    expect((await ai.generateText({ model: openai("gpt-4o-mini"), prompt })).text).toBe("Finished.");
    expect((await ai.generateText({ model: openai.chat("gpt-4o-mini"), prompt })).text).toBe("Finished.");
    expect(await ai.streamText({ model: openai.chat("gpt-4o-mini"), prompt }).text).toBe("Finished.");
    const model = openai.embeddingModel("text-embedding-3-small");
    expect((await ai.embedMany({ model, values: ["a", "b"] })).embeddings).toHaveLength(2);
    const { images } = await ai.generateImage({ model: openai.imageModel("gpt-image-1"), prompt });
    expect(images).toHaveLength(1);
    expect(lab.provider.requests).toHaveLength(5);
    expect(decided()).toEqual([
      ...Array<string>(3).fill("allow gpt-4o-mini completion"),
      "allow text-embedding-3-small embedding",
      "allow gpt-image-1 image",
    ]);
  });

  it("are not reached when they are denied, whatever they do", async () => {
    const openai = guarded();
    const denials = [
      await denialOf(ai.generateText({ model: openai("gpt-4o"), prompt })),
      await denialOf(ai.embed({ model: openai.embeddingModel("text-embedding-3-large"), value: "a" })),
      await denialOf(ai.generateImage({ model: openai.imageModel("dall-e-3"), prompt })),
    ];
    for (const denial of denials) {
      expect(denial).toMatchObject({
        ...{ code: "policy_denied", reason: "model not approved" },
        remediation: { type: "use_model", model: "gpt-4o-mini" },
      });
    }
    const errors: unknown[] = [];
    const stream = ai.streamText({
      ...{ model: openai("gpt-4o"), prompt, onError: ({ error }) => void errors.push(error) },
    });
    for await (const part of partsOf(stream)) if (part.type === "error") errors.push(part.error);
    expect(errors.map((error) => findDenial(error)?.code)).toContain("policy_denied");
    expect(lab.provider.requests).toEqual([]);
  });

  it("are guarded by the middleware alike, of each kind", async () => {
    const model = ai.wrapLanguageModel({
      ...{ model: raw().chat("gpt-4o"), middleware: hopguardMiddleware(analyst) },
    });
    await denialOf(ai.generateText({ model, prompt }));
    const embedding = ai.wrapEmbeddingModel({
      model: raw().embeddingModel("text-embedding-3-large"),
      middleware: hopguardEmbeddingMiddleware(analyst),
    });
    await denialOf(ai.embed({ model: embedding, value: "a" }));
    // The oldest line has none for images: there it is the provider, or its `fetch`.
    const { wrapImageModel } = ai as Partial<typeof ai>;
    const image = wrapImageModel?.({
      model: raw().imageModel("dall-e-3"),
      middleware: hopguardImageMiddleware(analyst),
    });
    if (image) await denialOf(ai.generateImage({ model: image, prompt }));
    expect(lab.provider.requests).toEqual([]);
  });

  const atFetch = () => {
    const baseURL = lab.provider.openaiBaseURL;
    return createOpenAI({ apiKey: "none", baseURL, fetch: guardFetch(analyst, { baseURL }) });
  };

  it.each([
    ["at the model", guarded],
    ["at fetch", atFetch],
  ])("are decided %s when a step swaps them", async (_, provider) => {
    const openai = provider();
    lab.play(() => ({ toolCalls: [{ name: "note", arguments: {} }] }));
    const denial = await denialOf(
      ai.generateText({
        model: openai.chat("gpt-4o-mini"),
        prompt,
        tools: { note: ai.tool(idle) },
        stopWhen: ai.stepCountIs(3),
        prepareStep: ({ stepNumber }) => (stepNumber === 0 ? {} : { model: openai.chat("gpt-4o") }),
      }),
    );
    expect(denial.hop.name).toBe("gpt-4o");
    expect(lab.provider.requests).toHaveLength(1);
  });

  it("are decided, or refused, when they are asked for by name", async () => {
    const byName = (model: LanguageModel) => ai.generateText({ model, prompt });
    for (const provider of [guarded(), atFetch()]) {
      globalThis.AI_SDK_DEFAULT_PROVIDER = provider;
      expect((await byName("gpt-4o-mini")).text).toBe("Finished.");
      expect((await denialOf(byName("gpt-4o"))).hop.name).toBe("gpt-4o");
    }
    globalThis.AI_SDK_DEFAULT_PROVIDER = noModelsByName;
    expect(String(await rejection(byName("gpt-4o-mini")))).toMatch(/asked for by its name alone/);
    expect(String(await rejection(ai.embed({ model: "text-embedding-3-small", value: "a" })))).toMatch(
      /take it from a guarded provider/,
    );
    expect(lab.provider.requests).toHaveLength(2);
  });

  it("show classifiers what they are told", async () => {
    const seen: string[] = [];
    const classify = ({ content }: { readonly content: string }) => {
      seen.push(content);
      return [];
    };
    const session = await lab.analyst({ guard: { classifiers: [{ name: "all", classify }] } });
    const openai = guarded({}, session);
    const file = { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) } as const;
    const content = [{ type: "text" as const, text: "Account 4711" }, file];
    await ai.generateText({ model: openai("gpt-4o-mini"), messages: [{ role: "user", content }] });
    await ai.embed({ model: openai.embeddingModel("text-embedding-3-small"), value: "Account 4712" });
    expect(seen[0]?.split("\n")).toContain("Account 4711");
    expect(seen[1]?.split("\n")).toContain("Account 4712");
  });

  it("are guarded in registries", async () => {
    const registry = ai.createProviderRegistry({ openai: guarded() });
    const through = guardProvider(ai.createProviderRegistry({ openai: raw() }), analyst);
    for (const { languageModel } of [registry, through].map((from) => ({
      languageModel: (id: `openai:${string}`) => from.languageModel(id),
    }))) {
      await denialOf(ai.generateText({ model: languageModel("openai:gpt-4o"), prompt }));
      await ai.generateText({ model: languageModel("openai:gpt-4o-mini"), prompt });
    }
    expect(lab.provider.requests).toHaveLength(2);
  });

  it("do not learn of tools that may never be used", async () => {
    const tools = {
      ...{ note: ai.tool(idle), wipe: ai.tool(idle), stray: ai.tool(idle) },
    };
    const known = { note: { toolset: "desk" }, wipe: { toolset: "desk" } };
    const model = guarded({ tools: known }).chat("gpt-4o-mini");
    await ai.generateText({ model, prompt, tools });
    const [request] = lab.provider.requests as readonly { readonly body: { readonly tools: unknown } }[];
    expect(request?.body.tools).toMatchObject([{ function: { name: "note" } }]);

    const chosen = { type: "tool", toolName: "wipe" } as const;
    await denialOf(ai.generateText({ model, prompt, tools, toolChoice: chosen }));
    const strict = guarded({ tools: known, hiddenTools: "deny" }).chat("gpt-4o-mini");
    expect((await denialOf(ai.generateText({ model: strict, prompt, tools }))).reason).toContain('"wipe"');
    await ai.generateText({ model, prompt, tools: { wipe: tools.wipe } });
    const [, last] = lab.provider.requests;
    expect(last?.body).not.toHaveProperty("tools");
    expect(lab.provider.requests).toHaveLength(2);
  });

  it("bring hosted tools, servers and substitutes along, each of which is decided", async () => {
    const { tools } = raw();
    const model = guarded()("gpt-4o-mini");
    const ask = (more: object) => ai.generateText({ model, prompt, ...more });
    const search = { web_search: tools.webSearch({}) };
    expect((await denialOf(ask({ tools: search }))).hop.action).toBe("hosted_tools/web_search");
    const draw = (id: string) => ({ tools: { image_generation: tools.imageGeneration({ model: id }) } });
    expect((await denialOf(ask(draw("gpt-image-2")))).hop.name).toBe("gpt-image-2");
    const gateway = {
      providerOptions: { gateway: { models: ["gpt-4o-mini", "o3"] }, other: { models: [] } },
    };
    expect((await denialOf(ask(gateway))).hop.name).toBe("o3");
    const hidden = { providerOptions: { a: { models: ["gpt-4o-mini"] }, b: { models: ["o3"] } } };
    expect((await denialOf(ask(hidden))).hop.name).toBe("o3");
    expect((await denialOf(ask({ headers: { "x-model-id": "o3" } }))).hop.name).toBe("o3");
    const covered = { providerOptions: { a: { provider_options: { model: "o3" } } } };
    expect((await denialOf(ask(covered))).hop.name).toBe("o3");
    const twice = { providerOptions: { a: { fallbackModel: "o3", fallback_model: "gpt-4o-mini" } } };
    expect((await denialOf(ask(twice))).reason).toContain("two spellings");
    const mcpServers = [{ type: "url", name: "x", url: "https://mcp.example/x" }];
    expect((await denialOf(ask({ providerOptions: { anthropic: { mcpServers } } }))).reason).toContain(
      "`hostedServers`",
    );
    const named = guarded({ hostedServers: { "https://mcp.example/x": "payroll" } })("gpt-4o-mini");
    const providerOptions = { anthropic: { mcpServers } };
    await denialOf(ai.generateText({ model: named, prompt, providerOptions }));
    expect(decided()).toContain("deny payroll initialize");
    expect(lab.provider.requests).toEqual([]);
  });

  it("are not reached while the PDP is down", async () => {
    const openai = guarded({}, await lab.analyst({ pdp: await deadPdp() }));
    const denial = await denialOf(ai.generateText({ model: openai("gpt-4o-mini"), prompt }));
    expect(denial.code).toBe("pdp_unavailable");
    expect(lab.provider.requests).toEqual([]);
  });

  it("stop in the midst of a stream when the session is revoked", async () => {
    const session = await lab.analyst();
    lab.play(() => ({ text: "word ".repeat(50), deltas: 50, deltaDelayMs: 100 }));
    const stream = ai.streamText({
      ...{ model: guarded({}, session).chat("gpt-4o-mini"), prompt, onError: () => undefined },
    });
    let words = 0;
    const error = await rejection(
      (async () => {
        for await (const part of partsOf(stream))
          if (part.type === "text-delta" && ++words === 2) await lab.guard.revoke({ session: session.id });
      })(),
    );
    expect(findDenial(error)?.code).toBe("revoked");
    expect(words).toBeLessThan(30);
  });

  it("say what they have used, streamed or not", async () => {
    const session = await lab.analyst({ guard: { usage: {} } });
    const openai = guarded({}, session);
    const turn = () => ({ text: "Five.", usage: { input: 40, output: 2 } });
    lab.play(turn, turn);
    const model = openai.chat("gpt-4o-mini");
    const spent = async (): Promise<unknown> =>
      (await denialOf(session.authorize({ kind: "ledger", id: "ledger", action: "read" }))).remediation;
    await ai.generateText({ model, prompt, maxOutputTokens: 50 });
    expect(await spent()).toMatchObject({ input: 40, output: 2 });
    await ai.streamText({ model, prompt, maxOutputTokens: 50 }).text;
    expect(await spent()).toMatchObject({ input: 80, output: 4 });
    await ai.embed({ model: openai.embeddingModel("text-embedding-3-small"), value: "a word" });
    expect(await spent()).toMatchObject({ output: 4 });
  });
});

describe("what cannot be guarded", () => {
  it("is refused where the guard is made", () => {
    expect(() => guardProvider("openai" as never, analyst)).toThrow(/expected a provider/);
    const unmarked = guardProvider({ languageModel: () => ({}) }, analyst);
    expect(() => unmarked.languageModel()).toThrow(/languageModel: expected a model of the specification/);
    expect(() => guardProvider({ specificationVersion: "v2" }, analyst)).toThrow(/and not "v2"/);
    expect(() => hopguardMiddleware({} as Session)).toThrow(/expected a session/);
    expect(() => hopguardMiddleware(analyst, { answers: "check" } as never)).toThrow(/answers/);
    const middleware = hopguardMiddleware(analyst);
    const old = { specificationVersion: "v2", provider: "openai", modelId: "gpt-4o" };
    expect(() => middleware.overrideProvider({ model: old })).toThrow(/which ai 6 and 7 have/);
  });

  it.each(aiLines)("is refused by the provider under $line", ({ createOpenAI }) => {
    const openai = guardProvider(createOpenAI({ apiKey: "none" }), analyst) as unknown as Record<
      string,
      (() => unknown) | undefined
    >;
    for (const name of ["files", "skills", "experimental_batch", "decisionModel", "experimental_realtime"]) {
      const member = openai[name];
      if (member) expect(() => member()).toThrow(/is refused/);
    }
    expect(() => Object.defineProperty(openai, "chat", { value: () => undefined })).toThrow(TypeError);
  });

  it("is denied at the model, which cannot be changed", async () => {
    const done: string[] = [];
    const model = {
      ...{ specificationVersion: "v4", provider: "lab.chat", modelId: "gpt-4o-mini", supportedUrls: {} },
      doGenerate: () => Promise.resolve(done.push("generate")),
      doDream: () => Promise.resolve(done.push("dream")),
    };
    const provider = { specificationVersion: "v4", languageModel: () => model };
    const guarded = guardProvider(provider, analyst).languageModel();
    expect((await denialOf(guarded.doDream())).code).toBe("unsupported_hop");
    expect(() => Object.assign(guarded, { doGenerate: model.doDream })).toThrow(TypeError);
    expect(done).toEqual([]);
    expect(lab.records.at(-1)).toMatchObject({ effect: "deny", hop: { action: "doDream" } });
  });

  it("does not change what is sent, once it is decided", async () => {
    const sent: unknown[] = [];
    const model = {
      ...{ specificationVersion: "v3", provider: "lab.chat", modelId: "gpt-4o-mini", supportedUrls: {} },
      doGenerate: (params: object) => Promise.resolve(sent.push(params)),
    };
    const guarded = guardProvider({ specificationVersion: "v3", languageModel: () => model }, analyst);
    const params = {
      prompt: [{ role: "user", content: "a" }],
      providerOptions: { gateway: { models: [""] } },
    };
    params.providerOptions.gateway.models = ["gpt-4o-mini"];
    const call = guarded.languageModel().doGenerate(params);
    params.providerOptions.gateway.models = ["o3"];
    await call;
    expect(sent).toMatchObject([{ providerOptions: { gateway: { models: ["gpt-4o-mini"] } } }]);
  });
});
