import { createReadStream } from "node:fs";
import { fileURLToPath } from "node:url";
import Anthropic from "@anthropic-ai/sdk";
import AnthropicV0 from "anthropic-v0";
import OpenAI, { AzureOpenAI, toFile } from "openai";
import OpenAIv6, { AzureOpenAI as AzureOpenAIv6 } from "openai-v6";
import { afterEach, describe, expect, it } from "vitest";
import {
  startLocalProvider,
  type LocalProvider,
  type LocalProviderOptions,
  type TurnRequest,
} from "../../examples/shared/local-provider";

let provider: LocalProvider;

async function start(options?: LocalProviderOptions): Promise<LocalProvider> {
  provider = await startLocalProvider(options);
  return provider;
}

afterEach(() => provider.stop());

const twoCalls = {
  text: "Looking at both.",
  toolCalls: [
    { name: "ticket_get", arguments: { ticket_id: "T-1001" } },
    { name: "customer_get", arguments: { customer_id: "C-7", note: "çà et là 🎈" } },
  ],
};

/** Calls both tools, and is done when it has their results. Keeps what it was asked. */
const callsBoth = (asked: TurnRequest[]) => (request: TurnRequest) => {
  asked.push(request);
  return request.toolResults.length === 0 ? twoCalls : { text: "Done." };
};
const amounts = { input: 90, output: 30, reasoning: 20 };
const hello = [{ role: "user" as const, content: "Hello" }];
const parameters = { type: "object" as const, properties: { ticket_id: { type: "string" } } };
const chatTool = { type: "function" as const, function: { name: "ticket_get", parameters } };

/** Both majors are called alike, so one test serves them, typed by the newer. */
const openaiVersions = [
  {
    sdk: "openai 6",
    connect: ({ openaiBaseURL: baseURL }: LocalProvider) =>
      new OpenAIv6({ apiKey: "sk-local", baseURL, maxRetries: 0 }) as unknown as OpenAI,
    connectAzure: ({ url: endpoint }: LocalProvider) =>
      new AzureOpenAIv6({ apiKey: "k", endpoint, apiVersion: "2025-01-01" }) as unknown as OpenAI,
  },
  {
    sdk: "openai 7",
    connect: ({ openaiBaseURL: baseURL }: LocalProvider) =>
      new OpenAI({ apiKey: "sk-local", baseURL, maxRetries: 0 }),
    connectAzure: ({ url: endpoint }: LocalProvider): OpenAI =>
      new AzureOpenAI({ apiKey: "k", endpoint, apiVersion: "2025-01-01" }),
  },
];

const anthropicVersions = [
  {
    sdk: "@anthropic-ai/sdk 0.137",
    connect: ({ anthropicBaseURL: baseURL }: LocalProvider) =>
      new AnthropicV0({ apiKey: "sk-local", baseURL, maxRetries: 0 }) as unknown as Anthropic,
  },
  {
    sdk: "@anthropic-ai/sdk 1",
    connect: ({ anthropicBaseURL: baseURL }: LocalProvider) =>
      new Anthropic({ apiKey: "sk-local", baseURL, maxRetries: 0 }),
  },
];

describe.each(openaiVersions)("the local provider, asked by $sdk", ({ connect, connectAzure }) => {
  it("answers a chat and records what arrived", async () => {
    const openai = connect(await start());
    const completion = await openai.chat.completions.create({ model: "gpt-4o-mini", messages: hello });

    expect(completion.choices[0]?.message).toMatchObject({
      role: "assistant",
      content: "This is gpt-4o-mini.",
    });
    expect(completion.choices[0]?.finish_reason).toBe("stop");
    expect(completion.usage?.total_tokens).toBeGreaterThan(0);
    expect(provider.requests).toMatchObject([
      {
        method: "POST",
        path: "/v1/chat/completions",
        headers: { authorization: "Bearer sk-local" },
        body: { model: "gpt-4o-mini", messages: hello },
      },
    ]);
    provider.reset();
    expect(provider.requests).toEqual([]);
  });

  it("plays parallel tool calls in a chat, and reads the results that come back", async () => {
    const asked: TurnRequest[] = [];
    const openai = connect(await start({ turn: callsBoth(asked) }));
    const create = (messages: OpenAI.ChatCompletionMessageParam[]) =>
      openai.chat.completions.create({ model: "gpt-4o", messages, tools: [chatTool] });
    const first = (await create(hello)).choices[0];
    const calls = (first?.message.tool_calls ?? []).filter((call) => call.type === "function");

    expect(first?.finish_reason).toBe("tool_calls");
    expect(calls.map((call) => [call.function.name, JSON.parse(call.function.arguments) as unknown])).toEqual(
      twoCalls.toolCalls.map((call) => [call.name, call.arguments]),
    );

    const results = calls.map(({ id }) => ({ role: "tool" as const, tool_call_id: id, content: `ok ${id}` }));
    const second = await create([...hello, first?.message ?? { role: "assistant" }, ...results]);
    expect(second.choices[0]?.message.content).toBe("Done.");
    expect(asked[1]).toMatchObject({
      api: "openai-chat",
      model: "gpt-4o",
      tools: ["ticket_get"],
      toolResults: calls.map(({ id }) => ({ id, text: `ok ${id}` })),
    });
  });

  it("streams a chat whose pieces add up to the turn, usage last when asked for", async () => {
    const openai = connect(await start({ turn: () => twoCalls, deltas: 3, deltaDelayMs: 1 }));
    const stream = openai.chat.completions.stream({
      model: "gpt-4o",
      messages: hello,
      tools: [chatTool],
      stream_options: { include_usage: true },
    });
    const texts: string[] = [];
    stream.on("content", (delta) => texts.push(delta));
    const { choices, usage } = await stream.finalChatCompletion();

    expect(texts.length).toBe(3);
    expect(choices[0]?.message.content).toBe(twoCalls.text);
    expect(choices[0]?.finish_reason).toBe("tool_calls");
    const calls = (choices[0]?.message.tool_calls ?? []) as OpenAI.ChatCompletionMessageFunctionToolCall[];
    expect(calls.map((call) => JSON.parse(call.function.arguments) as unknown)).toEqual(
      twoCalls.toolCalls.map((call) => call.arguments),
    );
    expect(usage?.completion_tokens).toBeGreaterThan(0);
  });

  it("says what a chat has used: in the answer, and in a stream's last chunk where it was asked to", async () => {
    const openai = connect(await start({ turn: () => ({ ...twoCalls, usage: amounts }) }));
    const used = {
      prompt_tokens: 90,
      completion_tokens: 30,
      total_tokens: 120,
      completion_tokens_details: { reasoning_tokens: 20 },
    };
    const ask = { model: "gpt-4o", messages: hello };
    expect((await openai.chat.completions.create(ask)).usage).toMatchObject(used);

    const chunksOf = async (stream_options?: OpenAI.ChatCompletionStreamOptions) => {
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      const stream = { ...ask, stream: true as const, ...(stream_options && { stream_options }) };
      for await (const chunk of await openai.chat.completions.create(stream)) chunks.push(chunk);
      return chunks;
    };
    const asked = await chunksOf({ include_usage: true });
    expect(asked.at(-1)).toMatchObject({ choices: [], usage: used });
    for (const chunk of asked.slice(0, -1)) expect(chunk).toMatchObject({ choices: [{}], usage: null });
    for (const chunk of await chunksOf()) {
      expect(chunk.choices).toHaveLength(1);
      expect(chunk).not.toHaveProperty("usage");
    }
  });

  it("says what a response has used: in the answer, and once a stream is complete", async () => {
    const openai = connect(await start({ turn: () => ({ ...twoCalls, usage: amounts }) }));
    const used = {
      input_tokens: 90,
      output_tokens: 30,
      output_tokens_details: { reasoning_tokens: 20 },
      total_tokens: 120,
    };
    const ask = { model: "gpt-4o", input: "Hello" };
    expect((await openai.responses.create(ask)).usage).toMatchObject(used);
    const said: unknown[] = [];
    for await (const event of await openai.responses.create({ ...ask, stream: true })) {
      if ("response" in event) said.push(event.response.usage);
    }
    expect(said).toMatchObject([null, null, used]);
  });

  it("answers a response with its text and function calls, and reads their outputs", async () => {
    const asked: TurnRequest[] = [];
    const openai = connect(await start({ turn: callsBoth(asked) }));
    const tool = { type: "function" as const, name: "ticket_get", parameters, strict: false };
    const first = await openai.responses.create({ model: "gpt-4o", input: "Hello", tools: [tool] });
    const calls = first.output.filter((item) => item.type === "function_call");

    expect(first.output_text).toBe(twoCalls.text);
    expect(calls.map((call) => [call.name, JSON.parse(call.arguments) as unknown])).toEqual(
      twoCalls.toolCalls.map((call) => [call.name, call.arguments]),
    );

    const second = await openai.responses.create({
      model: "gpt-4o",
      previous_response_id: first.id,
      input: calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output: "ok" })),
    });
    expect(second.output_text).toBe("Done.");
    expect(asked[0]).toMatchObject({ api: "openai-responses", tools: ["ticket_get"] });
    expect(asked[1]?.toolResults).toEqual(calls.map(({ call_id }) => ({ id: call_id, text: "ok" })));
  });

  it("streams a response with the whole sequence of events", async () => {
    const openai = connect(await start({ turn: () => twoCalls, deltas: 2 }));
    const stream = openai.responses.stream({ model: "gpt-4o", input: "Hello" });
    const seen: OpenAI.Responses.ResponseStreamEvent[] = [];
    for await (const event of stream) seen.push(event);
    const response = await stream.finalResponse();

    const call = [
      "response.output_item.added",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.output_item.done",
    ];
    expect(seen.map(({ type }) => type)).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      ...call,
      ...call,
      "response.completed",
    ]);
    expect(seen.map(({ sequence_number }) => sequence_number)).toEqual([...seen.keys()]);
    expect(response.output_text).toBe(twoCalls.text);
    expect(response.usage?.total_tokens).toBeGreaterThan(0);
  });

  it("serves embeddings, moderations, images and audio", async () => {
    const openai = connect(await start());
    const { data: vectors, usage } = await openai.embeddings.create({
      model: "text-embedding-3-small",
      input: ["one", "two", "one"],
      dimensions: 64,
    });
    expect(vectors.map(({ embedding }) => embedding.length)).toEqual([64, 64, 64]);
    expect(vectors[0]?.embedding).toEqual(vectors[2]?.embedding);
    expect(vectors[0]?.embedding).not.toEqual(vectors[1]?.embedding);
    expect(usage.prompt_tokens).toBeGreaterThan(0);
    expect(usage.total_tokens).toBe(usage.prompt_tokens);
    expect(Math.hypot(...(vectors[0]?.embedding ?? []))).toBeCloseTo(1, 5);

    const moderation = await openai.moderations.create({ input: ["fine", "also fine"] });
    expect(moderation.results.map(({ flagged }) => flagged)).toEqual([false, false]);

    const drawn = await openai.images.generate({ model: "gpt-image-1", prompt: "a balloon", n: 2 });
    expect(drawn.data?.map(({ b64_json }) => b64_json?.slice(0, 5))).toEqual(["iVBOR", "iVBOR"]);

    const image = await toFile(Buffer.from("pixels"), "a.png", { type: "image/png" });
    await openai.images.edit({ model: "gpt-image-1", prompt: "redder", image });
    expect(provider.requests.at(-1)?.fields).toEqual(
      expect.arrayContaining([
        { name: "model", value: "gpt-image-1", bytes: 11 },
        { name: "image", filename: "a.png", bytes: 6, content: expect.any(Uint8Array) as Uint8Array },
      ]),
    );

    const heard = await openai.audio.transcriptions.create({
      model: "gpt-4o-mini-transcribe",
      file: createReadStream(fileURLToPath(import.meta.url)),
    });
    expect(heard.text).toMatch(/recording of \d{4,} bytes/);

    const spoken = await openai.audio.speech.create({
      model: "gpt-4o-mini-tts",
      voice: "alloy",
      input: "Hi",
    });
    expect(Buffer.from(await spoken.arrayBuffer()).toString("latin1", 0, 4)).toBe("RIFF");
  });

  it("lists the catalogue, and describes a listed model only", async () => {
    const openai = connect(await start({ models: { openai: ["gpt-4o", "o3"] } }));
    const ids: string[] = [];
    for await (const model of openai.models.list()) ids.push(model.id);

    expect(ids).toEqual(["gpt-4o", "o3"]);
    expect((await openai.models.retrieve("o3")).id).toBe("o3");
    await expect(openai.models.retrieve("gpt-9")).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
    });
  });

  it("takes the model of an Azure deployment from the path", async () => {
    const azure = connectAzure(await start());
    const completion = await azure.chat.completions.create({ model: "desk-deployment", messages: hello });

    expect(completion.choices[0]?.message.content).toBe("This is desk-deployment.");
    expect(provider.requests[0]?.path).toBe(
      "/openai/deployments/desk-deployment/chat/completions?api-version=2025-01-01",
    );
  });

  it("answers unknown endpoints, bodies without a model and failing scripts with its own errors", async () => {
    const turn = () => Promise.reject(new Error("script ended"));
    const openai = connect(await start({ turn }));

    await expect(openai.post("/videos", { body: {} })).rejects.toMatchObject({
      status: 404,
      code: "unknown_url",
    });
    await expect(openai.post("/chat/completions", { body: "[]" })).rejects.toMatchObject({ status: 400 });
    await expect(openai.post("/chat/completions", { body: {} })).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
    });
    await expect(openai.chat.completions.create({ model: "gpt-4o", messages: hello })).rejects.toMatchObject({
      status: 500,
      message: expect.stringContaining("script ended") as string,
    });
    expect(provider.requests.length).toBe(4);
  });

  it("ends a stream that the client aborts", async () => {
    let ended = false;
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('data: {"choices":[]}\n\n')),
      cancel: () => void (ended = true),
    });
    const headers = { "content-type": "text/event-stream" };
    const openai = connect(await start({ intercept: () => ({ status: 200, headers, body: endless }) }));
    const stream = await openai.chat.completions.create({ model: "gpt-4o", messages: hello, stream: true });
    for await (const _chunk of stream) break;

    await expect.poll(() => ended).toBe(true);
  });
});

describe.each(anthropicVersions)("the local provider, asked by $sdk", ({ connect }) => {
  const ask = { model: "claude-sonnet-5-5", max_tokens: 100, messages: hello };
  const tools: Anthropic.Tool[] = [{ name: "ticket_get", input_schema: parameters }];

  it("answers a message and records what arrived", async () => {
    const anthropic = connect(await start());
    const message = await anthropic.messages.create(ask);

    expect(message.content).toMatchObject([{ type: "text", text: "This is claude-sonnet-5-5." }]);
    expect(message.stop_reason).toBe("end_turn");
    expect(provider.requests).toMatchObject([
      {
        method: "POST",
        path: "/v1/messages",
        headers: { "anthropic-version": expect.any(String) as string },
        body: ask,
      },
    ]);
  });

  it("plays parallel tool uses, and reads the results that come back", async () => {
    const asked: TurnRequest[] = [];
    const anthropic = connect(await start({ turn: callsBoth(asked) }));
    const first = await anthropic.messages.create({ ...ask, tools });
    const uses = first.content.filter((block) => block.type === "tool_use");
    expect(first.stop_reason).toBe("tool_use");
    expect(uses.map(({ name, input }) => ({ name, arguments: input }))).toEqual(twoCalls.toolCalls);

    const results = uses.map(({ id }) => ({ type: "tool_result" as const, tool_use_id: id, content: "ok" }));
    const second = await anthropic.messages.create({
      ...ask,
      tools,
      messages: [...hello, { role: "assistant", content: first.content }, { role: "user", content: results }],
    });
    expect(second.content).toMatchObject([{ text: "Done." }]);
    expect(asked[1]).toMatchObject({
      api: "anthropic-messages",
      tools: ["ticket_get"],
      toolResults: uses.map(({ id }) => ({ id, text: "ok" })),
    });
  });

  it("streams a message whose pieces add up to the turn", async () => {
    const anthropic = connect(await start({ turn: () => twoCalls, deltas: 3, deltaDelayMs: 1 }));
    const stream = anthropic.messages.stream({ ...ask, tools });
    const texts: string[] = [];
    stream.on("text", (delta) => texts.push(delta));
    const { content, stop_reason, usage } = await stream.finalMessage();

    expect(texts.length).toBe(3);
    expect(content).toMatchObject([
      { type: "text", text: twoCalls.text },
      ...twoCalls.toolCalls.map((call) => ({ type: "tool_use", name: call.name, input: call.arguments })),
    ]);
    expect(stop_reason).toBe("tool_use");
    expect(usage.output_tokens).toBeGreaterThan(1);
  });

  it("says what a message has used: in the answer, and at the beginning and the end of a stream", async () => {
    const anthropic = connect(await start({ turn: () => ({ ...twoCalls, usage: amounts }) }));
    const used = {
      input_tokens: 90,
      output_tokens: 30,
      output_tokens_details: { thinking_tokens: 20 },
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
    };
    expect((await anthropic.messages.create(ask)).usage).toMatchObject(used);
    const said: unknown[] = [];
    for await (const event of await anthropic.messages.create({ ...ask, stream: true })) {
      if (event.type === "message_start") said.push(event.message.usage);
      if (event.type === "message_delta") said.push(event.usage);
    }
    expect(said).toMatchObject([{ ...used, output_tokens: 1, output_tokens_details: null }, used]);
  });

  it("counts tokens, accepts batches and lists its own models", async () => {
    const anthropic = connect(await start({ models: { anthropic: ["claude-sonnet-5-5"] } }));
    const { input_tokens } = await anthropic.messages.countTokens({ model: ask.model, messages: hello });
    const batch = await anthropic.messages.batches.create({ requests: [{ custom_id: "a", params: ask }] });
    const ids: string[] = [];
    for await (const model of anthropic.models.list()) ids.push(model.id);

    expect(input_tokens).toBeGreaterThan(0);
    expect(batch).toMatchObject({ processing_status: "in_progress", request_counts: { processing: 1 } });
    expect(ids).toEqual(["claude-sonnet-5-5"]);
    expect((await anthropic.models.retrieve("claude-sonnet-5-5")).type).toBe("model");
  });

  it("answers unknown endpoints in Anthropic's shape", async () => {
    const anthropic = connect(await start());
    await expect(anthropic.post("/v1/agents", { body: {} })).rejects.toMatchObject({
      status: 404,
      error: { type: "error", error: { type: "not_found_error" } },
    });
  });
});

describe("the local provider's hook for tests", () => {
  it("answers in the provider's place, after the request was recorded", async () => {
    const { url, requests } = await start({
      intercept: ({ path }) => {
        if (path === "/v1/redirect") return { status: 307, headers: { location: "http://127.0.0.1:9/" } };
        if (path === "/v1/busy") return Response.json({ error: { message: "slow down" } }, { status: 429 });
        return path === "/v1/json" ? { status: 200, body: { ok: true } } : undefined;
      },
    });
    const statuses: number[] = [];
    for (const path of ["redirect", "busy", "json", "models"]) {
      statuses.push((await fetch(`${url}/v1/${path}`, { redirect: "manual" })).status);
    }

    expect(statuses).toEqual([307, 429, 200, 200]);
    expect(requests.map(({ path }) => path)).toEqual(["/v1/redirect", "/v1/busy", "/v1/json", "/v1/models"]);
    expect(await (await fetch(`${url}/v1/json`)).json()).toEqual({ ok: true });
  });

  it("closes a request that it left hanging when it stops", async () => {
    const { url } = await start({ intercept: () => new Promise<undefined>(() => undefined) });
    const hanging = expect(fetch(url)).rejects.toThrow("fetch failed");
    await expect.poll(() => provider.requests.length).toBe(1);
    await provider.stop();
    await hanging;
  });
});
