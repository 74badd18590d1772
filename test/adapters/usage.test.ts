import Anthropic from "@anthropic-ai/sdk";
import { findDenial, type Session } from "hopguard";
import { guardAnthropic, type GuardAnthropicOptions } from "hopguard/anthropic";
import { guardOpenAI, type GuardOpenAIOptions } from "hopguard/openai";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  startLocalProvider,
  type Interception,
  type LocalProvider,
  type RecordedRequest,
  type Turn,
  type TurnRequest,
} from "../../examples/shared/local-provider";
import { openDesk, type Desk, type SessionChoice } from "../support/desk";
import { anthropicLines, denialOf, openaiLines, rejection } from "../support/model-sdks";
import type { Policy } from "../support/policies";

const MODEL = "gpt-4o-mini";
const messages = [{ role: "user" as const, content: "Hello" }];
const chat = { model: MODEL, messages, max_completion_tokens: 300 };
const message = { model: "claude-sonnet-5-5", messages, max_tokens: 300 };
const response = { model: MODEL, input: "Hello", max_output_tokens: 300 };

const usage = "R.attr.context.usage.session";
/** What the policy sees, in the output of a denial: this is how a test reads it. */
const LEDGER = `{"reason": "read", "remediation": {"type": "ledger",
  "calls": ${usage}.calls, "cost": ${usage}.cost, "input": ${usage}.input_tokens,
  "output": ${usage}.output_tokens, "reasoning": ${usage}.reasoning_tokens,
  "done": "completion" in R.attr.context.session.calls ? R.attr.context.session.calls.completion : 0.0}}`;
const POLICIES: readonly Policy[] = [
  {
    kind: "llm_model",
    rules: [
      { actions: ["completion", "embedding", "hosted_tools/*"], effect: "EFFECT_ALLOW", roles: ["user"] },
      {
        actions: ["completion"],
        effect: "EFFECT_ALLOW",
        roles: ["capped"],
        condition: { match: { expr: `${usage}.calls <= 7` } },
      },
      {
        actions: ["completion"],
        effect: "EFFECT_ALLOW",
        roles: ["metered"],
        condition: { match: { expr: `${usage}.tokens <= 1000` } },
      },
    ],
  },
  {
    kind: "ledger",
    rules: [
      { actions: ["read"], effect: "EFFECT_DENY", roles: ["*"], output: { when: { ruleActivated: LEDGER } } },
    ],
  },
];

const modelFacts = [{ model: MODEL, price: { input: 0.5, output: 2 } }];
const used: Required<Turn>["usage"] = { input: 1200, output: 45, reasoning: 30 };
const spentAll = { calls: 1, done: 1, input: 1200, output: 45, reasoning: 30 };

let desk: Desk;
/** The same provider, who tells the truth: what a lie is made of. */
let honest: LocalProvider;
let turn: (request: TurnRequest) => Turn;
let intercept: (request: RecordedRequest) => Promise<Interception> | Interception | undefined;

beforeAll(async () => {
  [desk, honest] = await Promise.all([
    openDesk({
      policies: POLICIES,
      provider: { turn: (request) => turn(request), intercept: (request) => intercept(request) },
    }),
    startLocalProvider({ turn: () => ({ text: "Hello to you", usage: used }) }),
  ]);
});
afterAll(() => Promise.all([desk.close(), honest.stop()]));
beforeEach(() => {
  desk.reset();
  turn = () => ({ text: "Hello to you", usage: used });
  intercept = () => undefined;
});

const open = (role = "user", guard: SessionChoice["guard"] = {}): Promise<Session> =>
  desk.session(role, { guard: { usage: {}, modelFacts, ...guard } });

interface Sums {
  readonly calls: number;
  /** Of them, those that policies may build on. */
  readonly done: number;
  readonly input: number;
  readonly output: number;
  readonly reasoning: number;
  readonly cost: number;
}

/** What the policy is told of the session when it is asked now. */
async function spent(session: Session): Promise<Sums> {
  const decision = await session.check({ kind: "ledger", id: "all", action: "read" });
  const { remediation } = decision.effect === "deny" ? decision.denial : {};
  if (remediation?.type !== "ledger") return expect.fail(`no ledger: ${JSON.stringify(decision)}`);
  const { type: _type, ...sums } = remediation as unknown as Sums & { readonly type: string };
  // Looking into it was a hop of its own.
  return { ...sums, calls: sums.calls - 1 };
}

const NOTHING = { calls: 0, done: 0, input: 0, output: 0, reasoning: 0, cost: 0 };

/** What a call without a word of the provider stands for: the documented estimate, and the request's own limit. */
const estimate = ({ body }: RecordedRequest) => ({
  calls: 1,
  input: Math.ceil(JSON.stringify(body).length / 4),
  output: 300,
  reasoning: 0,
});
const sentOnce = (): RecordedRequest => {
  const [request, ...more] = desk.provider.requests;
  return request && more.length === 0 ? request : expect.fail(`${desk.provider.requests.length} requests`);
};

async function drain<Event>(events: PromiseLike<AsyncIterable<Event>>): Promise<Event[]> {
  const seen: Event[] = [];
  for await (const event of await events) seen.push(event);
  return seen;
}

/** Reads until the first event that is so, and goes. */
async function leaveAt<Event>(
  events: PromiseLike<AsyncIterable<Event>>,
  isSo: (event: Event) => boolean,
): Promise<void> {
  for await (const event of await events) if (isSo(event)) return;
  expect.fail("the stream has ended first");
}

/** The provider's own answer, with what it says of usage changed. */
async function altered(
  { method, path, headers, body }: RecordedRequest,
  alter: (answer: string) => string,
): Promise<Interception> {
  const { host: _host, "content-length": _length, ...sent } = headers;
  const answer = await fetch(honest.url + path, { method, headers: sent, body: JSON.stringify(body) });
  const contentType = answer.headers.get("content-type") ?? "";
  return { status: 200, headers: { "content-type": contentType }, body: alter(await answer.text()) };
}

const USAGE = /"usage":\{(?:[^{}]|\{[^{}]*\})*\}/g;
const saying = (usage: string) => (request: RecordedRequest) =>
  altered(request, (answer) => answer.replace(USAGE, usage));

/** All formats in one object; each reads its own names. */
const amounts = (input: unknown, output: unknown): string => {
  const members = {
    prompt_tokens: input,
    input_tokens: input,
    completion_tokens: output,
    output_tokens: output,
  };
  // What JSON.stringify would make null of.
  return `"usage":${JSON.stringify(members).replaceAll('"1e300"', "1e300")}`;
};

const NONSENSE: readonly (readonly [string, string])[] = [
  ["is negative", amounts(-1200, -45)],
  ["is negative on one side", amounts(1200, -45)],
  ["is negative on the other side", amounts(-1200, 45)],
  ["is 1e300", amounts("1e300", "1e300")],
  ["is 1e300 on one side", amounts(1, "1e300")],
  ["is text", amounts("12", "4")],
  ["is a fraction", amounts(0.5, 0.5)],
  ["lacks the output", '"usage":{"prompt_tokens":1,"input_tokens":1}'],
  ["lacks the input", '"usage":{"completion_tokens":1,"output_tokens":1}'],
  ["has a total below its parts", '"usage":{"prompt_tokens":9,"input_tokens":9,"total_tokens":1}'],
  ["reads less than nothing from a cache", amounts(1, 1).replace("{", '{"cache_read_input_tokens":-5,')],
  ["is no object", '"usage":"lots"'],
  ["is a list", '"usage":[1,2]'],
  ["is null", '"usage":null'],
  ["is missing", '"unused":{}'],
];

const guardedOpenAI = (SDK: typeof OpenAI, session: Session, options?: GuardOpenAIOptions): OpenAI =>
  guardOpenAI(
    new SDK({ apiKey: "sk-local", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 }),
    session,
    options,
  );
const guardedAnthropic = (
  SDK: typeof Anthropic,
  session: Session,
  options?: GuardAnthropicOptions,
): Anthropic =>
  guardAnthropic(
    new SDK({ apiKey: "sk-local", baseURL: desk.provider.anthropicBaseURL, maxRetries: 0 }),
    session,
    options,
  );
const chatStream = (openai: OpenAI, more: Partial<OpenAI.ChatCompletionCreateParamsStreaming> = {}) =>
  openai.chat.completions.create({ ...chat, ...more, stream: true });
const responseStream = (openai: OpenAI) => openai.responses.create({ ...response, stream: true });
const messageStream = (anthropic: Anthropic) => anthropic.messages.create({ ...message, stream: true });

describe.each(openaiLines)("usage with $line", ({ OpenAI: SDK }) => {
  const guarded = (session: Session, options?: GuardOpenAIOptions) => guardedOpenAI(SDK, session, options);
  const forms: readonly (readonly [string, (openai: OpenAI) => Promise<unknown>])[] = [
    ["a chat", (openai) => openai.chat.completions.create(chat)],
    ["a chat's stream", (openai) => drain(chatStream(openai))],
    ["a chat's stream helper", (openai) => openai.chat.completions.stream(chat).finalContent()],
    ["a response", (openai) => openai.responses.create(response)],
    ["a response's stream", (openai) => drain(responseStream(openai))],
  ];

  it.each(forms)("of %s is what the policy sees on the next hop", async (_form, call) => {
    const session = await open();
    const openai = guarded(session);
    await call(openai);
    expect(await spent(session)).toEqual({ ...spentAll, cost: (1200 * 0.5 + 45 * 2) / 1e6 });
    await call(openai);
    expect(await spent(session)).toMatchObject({ calls: 2, input: 2400, output: 90, reasoning: 60 });
  });

  it("of embeddings is their input", async () => {
    const session = await open();
    const { usage } = await guarded(session).embeddings.create({ model: MODEL, input: "one and two" });
    expect(usage.prompt_tokens).toBeGreaterThan(0);
    expect(await spent(session)).toMatchObject({
      ...NOTHING,
      calls: 1,
      input: usage.prompt_tokens,
      cost: expect.any(Number) as number,
    });
  });

  it("is counted once for a call that is several hops", async () => {
    const session = await open();
    await guarded(session).responses.create({ ...response, tools: [{ type: "web_search" }] });
    expect(await spent(session)).toMatchObject({ ...spentAll, calls: 2 });
  });

  it("is counted where tool calls are checked as well", async () => {
    const session = await open();
    const openai = guarded(session, { tools: { search: { toolset: "local" } } });
    const chunks = await drain(chatStream(openai));
    expect(chunks.every(({ choices }) => choices.length > 0)).toBe(true);
    await openai.chat.completions.create(chat);
    expect(await spent(session)).toMatchObject({ calls: 2, input: 2400, output: 90, reasoning: 60 });
  });

  describe("of a chat's stream", () => {
    it("is asked for where the caller did not, who sees nothing of it", async () => {
      const session = await open();
      const chunks = await drain(
        chatStream(guarded(session), { stream_options: { include_obfuscation: false } }),
      );
      expect(sentOnce().body).toMatchObject({
        stream_options: { include_obfuscation: false, include_usage: true },
      });
      expect(chunks.length).toBeGreaterThan(4);
      for (const { choices, usage } of chunks) expect([choices.length, usage ?? null]).toEqual([1, null]);
      expect(await spent(session)).toMatchObject(spentAll);
    });

    it("is asked for and not shown where the caller has said that it is not wanted", async () => {
      const session = await open();
      const chunks = await drain(chatStream(guarded(session), { stream_options: { include_usage: false } }));
      expect(chunks.filter(({ choices }) => choices.length === 0)).toEqual([]);
      expect(await spent(session)).toMatchObject(spentAll);
    });

    it("is shown to the caller who asked for it", async () => {
      const session = await open();
      const chunks = await drain(chatStream(guarded(session), { stream_options: { include_usage: true } }));
      expect(chunks.filter(({ choices }) => choices.length === 0)).toMatchObject([
        { usage: { prompt_tokens: 1200, completion_tokens: 45, total_tokens: 1245 } },
      ]);
      expect(await spent(session)).toMatchObject(spentAll);
    });

    it("is found in whatever pieces and with whatever spaces it comes", async () => {
      intercept = async (request) => {
        const spaced = (answer: string) => answer.replaceAll('":', '": ').replaceAll("\n\n", "\r\n\r\n");
        const answer = await altered(request, spaced);
        const bytes = new TextEncoder().encode(answer.body as string);
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
            controller.close();
          },
        });
        return { ...answer, body };
      };
      const session = await open();
      const chunks = await drain(chatStream(guarded(session)));
      expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("Hello to you");
      expect(chunks.filter(({ choices }) => choices.length === 0)).toEqual([]);
      expect(await spent(session)).toMatchObject(spentAll);
    });

    it("is what was reserved, where the guard is told not to ask", async () => {
      const session = await open();
      await drain(chatStream(guarded(session, { streamUsage: "leave" })));
      expect(sentOnce().body).toEqual({ ...chat, stream: true });
      expect(await spent(session)).toMatchObject(estimate(sentOnce()));
    });

    it("is not asked for by a guard that does not count it", async () => {
      const session = await desk.session("user");
      await drain(chatStream(guarded(session)));
      expect(sentOnce().body).toEqual({ ...chat, stream: true });
    });
  });

  describe("of a stream that its caller breaks off", () => {
    it("is what was reserved", async () => {
      turn = () => ({ text: "Hello to you", deltas: 6, deltaDelayMs: 20, usage: used });
      const session = await open();
      await leaveAt(chatStream(guarded(session)), ({ choices }) => choices[0]?.delta.content === "He");
      // What the guard itself asks for goes into no estimate.
      const { stream_options: _asked, ...body } = sentOnce().body as Record<string, unknown>;
      expect(await spent(session)).toMatchObject({ ...estimate({ ...sentOnce(), body }), done: 0 });
    });

    it("is what was reserved when nothing had come yet", async () => {
      intercept = () => new Promise<never>(() => undefined);
      const session = await open();
      const controller = new AbortController();
      const call = rejection(guarded(session).chat.completions.create(chat, { signal: controller.signal }));
      await expect.poll(() => desk.provider.requests.length).toBe(1);
      controller.abort();
      expect(await call).toBeInstanceOf(SDK.APIUserAbortError);
      expect(await spent(session)).toMatchObject({ ...estimate(sentOnce()), done: 0 });
    });

    it("is what the provider had said by then", async () => {
      const session = await open();
      const openai = guarded(session);
      await leaveAt(responseStream(openai), ({ type }) => type === "response.completed");
      expect(await spent(session)).toMatchObject({ ...spentAll, done: 0 });
      await leaveAt(
        chatStream(openai, { stream_options: { include_usage: true } }),
        ({ choices }) => choices.length === 0,
      );
      expect(await spent(session)).toMatchObject({ calls: 2, input: 2400, output: 90 });
    });
  });

  describe("of a call that comes to nothing", () => {
    it("is none when the provider fails", async () => {
      intercept = () => ({ status: 500, body: { error: { message: "overloaded" } } });
      const session = await open();
      for (const [, call] of forms) {
        expect(await rejection(call(guarded(session)))).toMatchObject({ status: 500 });
      }
      await rejection(guarded(session).responses.create({ ...response, tools: [{ type: "web_search" }] }));
      expect(desk.provider.requests).toHaveLength(forms.length + 1);
      expect(await spent(session)).toEqual(NOTHING);
    });

    it("is none when nobody answers", async () => {
      const session = await open();
      const nobody = new SDK({ apiKey: "sk-local", baseURL: "http://127.0.0.1:9/v1", maxRetries: 0 });
      await rejection(guardOpenAI(nobody, session).chat.completions.create(chat));
      expect(await spent(session)).toEqual(NOTHING);
    });

    it("is none when the policy denies it, and nothing is sent", async () => {
      const session = await open("nobody");
      for (const [, call] of forms) {
        expect(findDenial(await rejection(call(guarded(session))))).toMatchObject({ code: "policy_denied" });
      }
      expect(desk.provider.requests).toEqual([]);
      expect(await spent(session)).toEqual(NOTHING);
    });
  });

  describe("a budget", () => {
    /** As much as was reserved, so that what is left does not depend on who is settled first. */
    const exactly = ({ body }: TurnRequest): Turn => ({
      text: "Hello to you",
      usage: {
        input: Math.ceil(JSON.stringify(body).length / 4),
        output: body.max_completion_tokens as number,
      },
    });
    const twenty = (call: () => Promise<unknown>) => Promise.allSettled(Array.from({ length: 20 }, call));
    const passed = (outcomes: readonly PromiseSettledResult<unknown>[]) => {
      for (const outcome of outcomes) {
        if (outcome.status === "rejected")
          expect(findDenial(outcome.reason)).toMatchObject({ code: "policy_denied" });
      }
      return outcomes.filter(({ status }) => status === "fulfilled").length;
    };

    it("of seven calls lets seven of twenty pass that come at once, and none after them", async () => {
      const session = await open("capped");
      const openai = guarded(session);
      expect(passed(await twenty(() => drain(chatStream(openai))))).toBe(7);
      expect(desk.provider.requests).toHaveLength(7);
      await denialOf(openai.chat.completions.create(chat));
      expect(desk.provider.requests).toHaveLength(7);
      expect(await spent(session)).toMatchObject({ calls: 7 });
    });

    it("of tokens ends at its limit, and not a token above it", async () => {
      turn = exactly;
      const session = await open("metered");
      const openai = guarded(session);
      const small = { ...chat, max_completion_tokens: 200 };
      const input = Math.ceil(JSON.stringify(small).length / 4);
      const reserved = input + 200;
      const fits = Math.floor(1000 / reserved);
      expect(passed(await twenty(() => openai.chat.completions.create(small)))).toBe(fits);
      expect(desk.provider.requests).toHaveLength(fits);
      expect(await spent(session)).toMatchObject({ calls: fits, input: fits * input, output: fits * 200 });
      // What is left is enough for a smaller one.
      const rest = 1000 - fits * reserved;
      await denialOf(openai.chat.completions.create({ ...chat, max_completion_tokens: rest }));
      await openai.chat.completions.create({ ...chat, max_completion_tokens: rest - input });
      expect(desk.provider.requests).toHaveLength(fits + 1);
    });

    it("gets back what was reserved and not used", async () => {
      turn = () => ({ text: "Hello to you", usage: { input: 10, output: 5 } });
      const session = await open("metered");
      const openai = guarded(session);
      const large = { ...chat, max_completion_tokens: 900 };
      await openai.chat.completions.create(large);
      await drain(openai.chat.completions.create({ ...large, stream: true }));
      expect(await spent(session)).toMatchObject({ calls: 2, input: 20, output: 10 });
      expect(desk.provider.requests).toHaveLength(2);
    });
  });
});

describe.each(anthropicLines)("usage with $line", ({ Anthropic: SDK }) => {
  const guarded = (session: Session, options?: GuardAnthropicOptions) =>
    guardedAnthropic(SDK, session, options);
  const forms: readonly (readonly [string, (anthropic: Anthropic) => Promise<unknown>])[] = [
    ["a message", (anthropic) => anthropic.messages.create(message)],
    ["a message's stream", (anthropic) => drain(messageStream(anthropic))],
    ["a message's stream helper", (anthropic) => anthropic.messages.stream(message).finalMessage()],
  ];

  it.each(forms)("of %s is what the policy sees on the next hop", async (_form, call) => {
    const session = await open();
    await call(guarded(session));
    // This model has no price.
    expect(await spent(session)).toEqual({ ...spentAll, cost: 0 });
    expect(sentOnce().body).not.toHaveProperty("stream_options");
  });

  it.each(forms.slice(0, 2))("of %s includes what went through the cache", async (_form, call) => {
    intercept = (request) =>
      altered(request, (answer) =>
        answer
          .replaceAll('"cache_creation_input_tokens":0', '"cache_creation_input_tokens":500')
          .replaceAll('"cache_read_input_tokens":0', '"cache_read_input_tokens":7000'),
      );
    const session = await open();
    await call(guarded(session));
    expect(await spent(session)).toMatchObject({ ...spentAll, input: 8700 });
  });

  it("is counted where tool calls are checked as well", async () => {
    const session = await open();
    const anthropic = guarded(session, { tools: { search: { toolset: "local" } } });
    await drain(messageStream(anthropic));
    await anthropic.messages.create(message);
    expect(await spent(session)).toMatchObject({ calls: 2, input: 2400, output: 90, reasoning: 60 });
  });

  it("of a stream that its caller breaks off is what was reserved, until the provider has said it", async () => {
    turn = () => ({ text: "Hello to you", deltas: 6, deltaDelayMs: 20, usage: used });
    const session = await open();
    const anthropic = guarded(session);
    await leaveAt(messageStream(anthropic), ({ type }) => type === "content_block_delta");
    const reserved = estimate(sentOnce());
    expect(await spent(session)).toMatchObject(reserved);
    await leaveAt(messageStream(anthropic), ({ type }) => type === "message_delta");
    expect(await spent(session)).toMatchObject({
      calls: 2,
      input: reserved.input + 1200,
      output: 300 + 45,
      reasoning: 30,
    });
  });

  it.each([
    ["ends without a word", ""],
    [
      "ends with an error",
      'event: error\ndata: {"type":"error","error":{"type":"api_error","message":""}}\n\n',
    ],
  ])("of a stream that begins and %s is what was reserved", async (_how, end) => {
    intercept = (request) =>
      altered(request, (answer) => answer.slice(0, answer.indexOf("event: content_block_stop")) + end);
    const session = await open();
    await drain(messageStream(guarded(session))).catch(() => undefined);
    expect(await spent(session)).toMatchObject(estimate(sentOnce()));
  });

  it("of a call that comes to nothing is none", async () => {
    const session = await open();
    intercept = () => ({
      status: 529,
      body: { type: "error", error: { type: "overloaded_error", message: "" } },
    });
    for (const [, call] of forms)
      expect(await rejection(call(guarded(session)))).toMatchObject({ status: 529 });
    expect(desk.provider.requests).toHaveLength(forms.length);
    const denied = await open("nobody");
    for (const [, call] of forms)
      expect(await denialOf(call(guarded(denied)))).toMatchObject({ code: "policy_denied" });
    expect(desk.provider.requests).toHaveLength(forms.length);
    expect([await spent(session), await spent(denied)]).toEqual([NOTHING, NOTHING]);
  });

  it("holds a budget with twenty calls at once", async () => {
    const session = await open("capped");
    const anthropic = guarded(session);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 === 0 ? anthropic.messages.create(message) : drain(messageStream(anthropic)),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(7);
    expect(desk.provider.requests).toHaveLength(7);
    expect(await spent(session)).toMatchObject({ calls: 7 });
  });
});

describe.each(NONSENSE)("usage that %s", (_what, usage) => {
  it("gives back nothing of the reservation, and breaks no answer", async () => {
    intercept = saying(usage);
    const session = await open();
    const openai = guardedOpenAI(OpenAI, session);
    const anthropic = guardedAnthropic(Anthropic, session);
    const { choices } = await openai.chat.completions.create(chat);
    const chunks = await drain(chatStream(openai, { stream_options: { include_usage: true } }));
    const { output_text } = await openai.responses.create(response);
    const events = await drain(responseStream(openai));
    const { content } = await anthropic.messages.create(message);
    const messageEvents = await drain(messageStream(anthropic));
    const answers = [
      choices[0]?.message.content,
      chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""),
      output_text,
      events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join(""),
      content.map((block) => (block.type === "text" ? block.text : "")).join(""),
      messageEvents
        .map((event) => ("delta" in event && "text" in event.delta ? event.delta.text : ""))
        .join(""),
    ];
    expect(answers).toEqual(answers.map(() => "Hello to you"));
    const inputs = desk.provider.requests.map((request) => estimate(request).input);
    expect(await spent(session)).toMatchObject({
      calls: 6,
      input: inputs.reduce((sum, tokens) => sum + tokens),
      output: 6 * 300,
      reasoning: 0,
    });
  });
});
