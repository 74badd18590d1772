import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import Anthropic from "@anthropic-ai/sdk";
import { createMcpHandler, McpServer as McpServer2 } from "@modelcontextprotocol/server";
import { McpServer as McpServer1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { ElicitRequestSchema, EmptyResultSchema } from "@modelcontextprotocol/sdk/types.js";
import {
  AuthorizationDeniedError,
  createGuard,
  findDenial,
  memoryState,
  type Denial,
  type Guard,
  type GuardOptions,
  type PolicyDecisionPoint,
  type Session,
  type StateStore,
} from "hopguard";
import { guardAnthropic } from "hopguard/anthropic";
import { cerbos } from "hopguard/cerbos";
import { guardOpenAI, type GuardOpenAIOptions } from "hopguard/openai";
import { redisState, type RedisState } from "hopguard/redis";
import { guardTools } from "hopguard/tools";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import type { Interception } from "../../examples/shared/local-provider";
import { startMcpServer, type McpEndpoint } from "../../examples/support-desk/servers/mcp-http";
import { sessionEndpoint } from "../../examples/support-desk/servers/mcp-sessions";
import { auditRecorder, type AuditRecorder } from "../support/audit-recorder";
import { openDesk, type Desk } from "../support/desk";
import { connect1, connect2, MCP_CLIENTS } from "../support/mcp-clients";
import { anthropicLines, denialOf, openaiLines } from "../support/model-sdks";
import type { Policy } from "../support/policies";
import { redisBinary, startRedis } from "../support/redis-server";

const allow = (roles: readonly string[], expr?: string): Policy["rules"][number] => ({
  actions: ["*"],
  effect: "EFFECT_ALLOW",
  roles,
  ...(expr !== undefined && { condition: { match: { expr } } }),
});
const POLICIES: readonly Policy[] = [
  {
    kind: "llm_model",
    rules: [
      allow(["user"]),
      allow(["on_call"], "R.attr.facts.incident.open"),
      allow(["single"], "R.attr.context.usage.session.calls <= 1 && R.attr.context.session.steps <= 1"),
      allow(["public"], '"greeting" in R.attr.context.data'),
    ],
  },
  { kind: "mcp_lab", rules: [allow(["user"])] },
  { kind: "tool_lab", rules: [allow(["user"], "R.attr.arguments.amount <= 10")] },
];

/** A minute of text. */
const MINUTE = { text: "word ".repeat(2400), deltas: 2400, deltaDelayMs: 25 };

let desk: Desk;
let answer: () => Interception | undefined;

beforeAll(async () => {
  desk = await openDesk({
    policies: POLICIES,
    provider: { turn: () => MINUTE, intercept: () => answer() },
  });
});
afterAll(() => desk.close());
beforeEach(() => {
  desk.reset();
  answer = () => undefined;
});

interface Run {
  readonly guard: Guard;
  readonly session: Session;
  readonly audit: AuditRecorder;
  readonly ids: { readonly task: string; readonly agent: string; readonly principal: string };
}

/** A session of its own guard, and under names of its own. */
async function run(role = "user", options: Partial<GuardOptions> = {}): Promise<Run> {
  const audit = auditRecorder();
  const pdp = cerbos(desk.pdpUrl, { timeoutMs: 10_000 });
  onTestFinished(() => pdp.close());
  const guard = createGuard({ pdp, audit, timeoutMs: 10_000, repeats: false, ...options });
  const ids = { task: `T-${randomUUID()}`, agent: `bot-${randomUUID()}`, principal: `u-${randomUUID()}` };
  return { guard, audit, ids, session: await open(guard, ids, role) };
}

const open = (guard: Guard, { task, agent, principal }: Run["ids"], role = "user"): Promise<Session> =>
  guard.session({ principal: { id: principal, roles: [role] }, agent: { id: agent }, task: { id: task } });

const openaiOf = (session: Session, options?: GuardOpenAIOptions, SDK: typeof OpenAI = OpenAI): OpenAI =>
  guardOpenAI(
    new SDK({ apiKey: "sk-local", baseURL: desk.provider.openaiBaseURL, maxRetries: 0 }),
    session,
    options,
  );
const anthropicOf = (session: Session, SDK: typeof Anthropic = Anthropic): Anthropic =>
  guardAnthropic(
    new SDK({ apiKey: "sk-local", baseURL: desk.provider.anthropicBaseURL, maxRetries: 0 }),
    session,
  );

const messages = [{ role: "user" as const, content: "Hello" }];
const chat = { model: "gpt-4o-mini", messages, stream: true } as const;
const response = { model: "gpt-4o-mini", input: "Hello", stream: true } as const;
const message = { model: "claude-sonnet-5-5", messages, max_tokens: 300, stream: true } as const;

type Events = PromiseLike<AsyncIterable<unknown>>;
/** The streams that a model answers with, by the newest SDKs. */
const STREAMS: readonly (readonly [string, (session: Session) => Events])[] = [
  ["chat", (session) => openaiOf(session).chat.completions.create(chat)],
  ["response", (session) => openaiOf(session).responses.create(response)],
  ["message", (session) => anthropicOf(session).messages.create(message)],
];
/** With every SDK that is supported. */
const ALL_STREAMS: typeof STREAMS = [
  [
    "chat whose tool calls are checked",
    (session) => openaiOf(session, { tools: {} }).chat.completions.create(chat),
  ],
  ...openaiLines.flatMap(({ line, OpenAI: SDK }): typeof STREAMS => [
    [`chat of ${line}`, (session) => openaiOf(session, {}, SDK).chat.completions.create(chat)],
    [`response of ${line}`, (session) => openaiOf(session, {}, SDK).responses.create(response)],
  ]),
  ...anthropicLines.map(({ line, Anthropic: SDK }): (typeof STREAMS)[number] => [
    `message of ${line}`,
    (session) => anthropicOf(session, SDK).messages.create(message),
  ]),
];

interface Flowing {
  /** Resolves once one more event is there, and rejects when the stream has ended. */
  next(): Promise<unknown>;
  /** The denial that the stream has ended with. */
  readonly denial: Promise<Denial>;
}

/** A stream under way: its first events are there. */
async function flowing(events: Events): Promise<Flowing> {
  let waiting: (() => void)[] = [];
  const iterate = async (): Promise<never> => {
    for await (const _event of await events) {
      for (const resolve of waiting) resolve();
      waiting = [];
    }
    return expect.fail("the stream has come to its end");
  };
  const ended = iterate();
  const denial = denialOf(ended);
  denial.catch(() => undefined);
  const next = (): Promise<unknown> => Promise.race([ended, new Promise<void>((go) => waiting.push(go))]);
  for (let events = 0; events < 8; events++) await next();
  return { next, denial };
}

/** What it resolves to, and the milliseconds that it took from now. */
async function timed<T>(work: Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const from = performance.now();
  return { value: await work, ms: performance.now() - from };
}

const rechecksOf = ({ audit }: Run) => audit.records.filter(({ flags }) => flags.includes("recheck"));

/** Ends within a second, with the denial; the request is aborted, and the end is on record. */
async function endsNow(
  { denial }: Pick<Flowing, "denial">,
  { audit }: Run,
  code: Denial["code"],
): Promise<void> {
  const { value, ms } = await timed(denial);
  expect(value).toMatchObject({ decision: "deny", code });
  expect(ms).toBeLessThan(1000);
  await expect.poll(() => desk.provider.abortedRequests).toBe(1);
  expect(desk.provider.requests).toHaveLength(1);
  expect(audit.records.filter(({ effect }) => effect === "deny")).toMatchObject([
    { code, flags: ["recheck"] },
  ]);
}

const WITHDRAWALS: readonly (readonly [string, (run: Run) => Promise<void>])[] = [
  ["task", ({ guard, ids }) => guard.revoke({ task: ids.task })],
  ["agent", ({ guard, ids }) => guard.revoke({ agent: ids.agent })],
  ["principal", ({ guard, ids }) => guard.revoke({ principal: ids.principal })],
  ["session", ({ guard, session }) => guard.revoke({ session: session.id })],
  ["session, by its own end,", ({ session }) => session.end()],
];

describe.each(STREAMS)("a %s that streams for a minute", (_form, stream) => {
  it.each(WITHDRAWALS)("ends within a second when its %s is revoked", async (_what, withdraw) => {
    const own = await run();
    const flow = await flowing(stream(own.session));
    await withdraw(own);
    await endsNow(flow, own, "revoked");
  });

  it("goes on when somebody else's authority is withdrawn", async () => {
    const own = await run();
    const other = await open(own.guard, { ...own.ids, task: "T-other", principal: "u-other" });
    const [theirs, ours] = await Promise.all([flowing(stream(other)), flowing(stream(own.session))]);
    await own.guard.revoke({ task: "T-other" });
    expect(await theirs.denial).toMatchObject({ code: "revoked" });
    await expect.poll(() => desk.provider.abortedRequests).toBe(1);
    await sleep(500);
    await ours.next();
    expect(desk.provider.abortedRequests).toBe(1);
    await own.session.end();
    await ours.denial;
  });

  it("ends when the policy, asked anew, says otherwise, and not before", async () => {
    let isOpen = true;
    const incident = { name: "incident", provide: () => Promise.resolve({ open: isOpen }) };
    const own = await run("on_call", { enrich: [incident], recheckEveryMs: 100 });
    const flow = await flowing(stream(own.session));
    await expect.poll(() => rechecksOf(own).length).toBeGreaterThan(2);
    expect(rechecksOf(own).every(({ effect }) => effect === "allow")).toBe(true);
    await flow.next();
    isOpen = false;
    await endsNow(flow, own, "policy_denied");
  });

  it("ends when nobody can say any more whether it was revoked", async () => {
    const state = memoryState();
    let isAway = false;
    const find: StateStore["revocations"]["find"] = (authority) => {
      if (isAway) throw new Error("away");
      return state.revocations.find(authority);
    };
    const own = await run("user", { state: { ...state, revocations: { ...state.revocations, find } } });
    const flow = await flowing(stream(own.session));
    isAway = true;
    await endsNow(flow, own, "state_unavailable");
  });
});

it.each(ALL_STREAMS)("a %s ends within a second of a revocation", async (_form, stream) => {
  const own = await run();
  const flow = await flowing(stream(own.session));
  await own.guard.revoke({ task: own.ids.task });
  await endsNow(flow, own, "revoked");
});

describe("a stream that is watched", () => {
  const [[, stream]] = STREAMS as readonly [(typeof STREAMS)[number]];

  it("is not counted again when the policy is asked anew", async () => {
    const own = await run("single", { usage: {}, recheckEveryMs: 50 });
    const flow = await flowing(stream(own.session));
    await expect.poll(() => rechecksOf(own).length).toBeGreaterThan(2);
    await flow.next();
    await own.session.end();
    await endsNow(flow, own, "revoked");
  });

  it("is asked about anew with what its request says", async () => {
    const classifiers = [
      {
        name: "greetings",
        classify: ({ content }: { content: string }) => (content.includes("Hello") ? ["greeting"] : []),
      },
    ];
    const own = await run("public", { classifiers, recheckEveryMs: 50 });
    const flow = await flowing(stream(own.session));
    await expect.poll(() => rechecksOf(own).length).toBeGreaterThan(2);
    await flow.next();
    await own.session.end();
    await endsNow(flow, own, "revoked");
  });

  it("ends within a second of a revocation also while a PDP thinks about it", async () => {
    const pdp = cerbos(desk.pdpUrl, { timeoutMs: 10_000 });
    onTestFinished(() => pdp.close());
    let asked = 0;
    const slow: PolicyDecisionPoint = {
      plan: pdp.plan.bind(pdp),
      check: async (query, options) => {
        if (++asked > 1) await sleep(8000, undefined, { ref: false });
        return pdp.check(query, options);
      },
    };
    const own = await run("user", { pdp: slow, recheckEveryMs: 50 });
    const flow = await flowing(stream(own.session));
    await expect.poll(() => asked).toBe(2);
    await own.guard.revoke({ task: own.ids.task });
    await endsNow(flow, own, "revoked");
  });

  it("ends with a token that is no longer good", async () => {
    let isGood = true;
    const identity = {
      verify: () =>
        isGood
          ? Promise.resolve({ principal: { id: "u-1", roles: ["user"] } })
          : Promise.reject(new Error("expired")),
    };
    const own = await run("user", { identity: identity as unknown as NonNullable<GuardOptions["identity"]> });
    const session = await own.guard.session({ token: "t", agent: { id: "bot" } });
    const flow = await flowing(stream(session));
    isGood = false;
    await endsNow(flow, own, "unauthenticated");
  });

  it("stays ended for whoever reads on, and gives its helper the denial too", async () => {
    const own = await run();
    const helper = openaiOf(own.session).chat.completions.stream({ ...chat, stream: true });
    const final = denialOf(helper.finalContent());
    await new Promise((resolve) => helper.once("content", resolve));
    await own.session.end();
    expect(await final).toMatchObject({ code: "revoked" });
    expect(await denialOf(openaiOf(own.session).chat.completions.create(chat))).toMatchObject({
      code: "revoked",
    });
    expect(desk.provider.requests).toHaveLength(1);
  });
});

describe("a call whose authority is withdrawn", () => {
  const silent = (): ReadableStream<Uint8Array> => new ReadableStream<Uint8Array>();
  const dripping = (): ReadableStream<Uint8Array> =>
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        await sleep(50);
        controller.enqueue(new TextEncoder().encode(" "));
      },
    });
  const json = { "content-type": "application/json" };
  const events = { "content-type": "text/event-stream" };
  const { stream: _chat, ...plainChat } = chat;

  it.each<[string, () => Interception | undefined, (session: Session) => PromiseLike<unknown>]>([
    [
      "before the provider has answered",
      () => undefined,
      (session) => {
        answer = () => new Promise<never>(() => undefined) as never;
        return openaiOf(session).chat.completions.create(plainChat);
      },
    ],
    [
      "before the provider has listed its models",
      () => undefined,
      (session) => {
        answer = () => new Promise<never>(() => undefined) as never;
        return openaiOf(session).models.list();
      },
    ],
    [
      "while its list of models arrives",
      () => ({ status: 200, headers: json, body: dripping() }),
      (session) => openaiOf(session).models.list(),
    ],
    [
      "while its JSON arrives",
      () => ({ status: 200, headers: json, body: dripping() }),
      (session) => openaiOf(session).chat.completions.create(plainChat),
    ],
    [
      "while its JSON arrives, to be checked",
      () => ({ status: 200, headers: json, body: dripping() }),
      (session) => openaiOf(session, { tools: {} }).chat.completions.create(plainChat),
    ],
    [
      "before the first event of a stream",
      () => ({ status: 200, headers: events, body: silent() }),
      (session) => drain(openaiOf(session).chat.completions.create(chat)),
    ],
    [
      "before the first event of what the provider keeps",
      () => ({ status: 200, headers: events, body: silent() }),
      (session) => drain(openaiOf(session).responses.create({ ...response, background: true })),
    ],
  ])("%s ends within a second with the denial", async (_when, answers, call) => {
    answer = answers;
    const own = await run();
    const denial = denialOf(call(own.session));
    await expect.poll(() => desk.provider.requests.length).toBe(1);
    await sleep(100);
    await own.guard.revoke({ task: own.ids.task });
    await endsNow({ denial }, own, "revoked");
  });
});

async function drain(events: Events): Promise<void> {
  for await (const _event of await events);
}

const binary = redisBinary();
describe.skipIf(binary === undefined)("a stream whose revocations are in Redis", () => {
  const openRedis = async () => {
    const server = await startRedis(binary ?? "");
    onTestFinished(() => server.stop());
    const openState = (): RedisState => {
      const state = redisState({ url: server.url });
      onTestFinished(() => state.close());
      return state;
    };
    return { server, openState };
  };

  it("ends within a second when another process revokes it", async () => {
    const { openState } = await openRedis();
    const [own, elsewhere] = [
      await run("user", { state: openState() }),
      await run("user", { state: openState() }),
    ];
    const flow = await flowing(anthropicOf(own.session).messages.create(message));
    await elsewhere.guard.revoke({ task: own.ids.task });
    await endsNow(flow, own, "revoked");
  });

  it("ends when Redis is gone", async () => {
    const { server, openState } = await openRedis();
    const own = await run("user", { state: openState() });
    const flow = await flowing(anthropicOf(own.session).messages.create(message));
    await server.kill();
    await endsNow(flow, own, "state_unavailable");
  });
});

describe.each(MCP_CLIENTS)("an MCP call under way with $name", ({ name, connect, callTool }) => {
  /** A tool that never comes to an end by itself. */
  class Slow {
    readonly begun: string[] = [];
    readonly aborted: string[] = [];
    async execute(id: string, signal: AbortSignal): Promise<never> {
      this.begun.push(id);
      signal.addEventListener("abort", () => this.aborted.push(id), { once: true });
      return new Promise<never>(() => undefined);
    }
    /** On the SDK's own server of the client's revision. */
    endpoint(): McpEndpoint {
      const config = { inputSchema: z.object({ id: z.string() }) };
      if (name.includes("2026-07-28"))
        return createMcpHandler(() => {
          const server = new McpServer2({ name: "lab", version: "2.0.0" });
          server.registerTool("slow", config, ({ id }, { mcpReq }) => this.execute(id, mcpReq.signal));
          return server;
        });
      return sessionEndpoint(() => {
        const server = new McpServer1({ name: "lab", version: "1.0.0" });
        server.registerTool("slow", config, ({ id }, { signal }) => this.execute(id, signal));
        return server;
      });
    }
  }

  const begin = async () => {
    const slow = new Slow();
    const server = await startMcpServer(slow.endpoint());
    onTestFinished(() => server.stop());
    const call = async (session: Session, id: string) => {
      const client = await connect(server.url, session, { server: "lab" });
      const result = callTool(client, { name: "slow", arguments: { id } });
      void result.catch(() => undefined);
      await expect.poll(() => slow.begun).toContain(id);
      return result;
    };
    return { slow, server, call };
  };

  it.each(name === "client 2.x" ? WITHDRAWALS : WITHDRAWALS.slice(0, 1))(
    "is answered with the denial when its %s is revoked, and aborted",
    async (_what, withdraw) => {
      const { slow, call } = await begin();
      const own = await run();
      const { result } = { result: call(own.session, "ours") };
      await expect.poll(() => slow.begun).toEqual(["ours"]);
      await withdraw(own);
      const { value, ms } = await timed(result);
      expect(value).toMatchObject({ isError: true });
      expect(findDenial(value)).toMatchObject({ code: "revoked", hop: { action: "tools/call/slow" } });
      expect(ms).toBeLessThan(1000);
      await expect.poll(() => slow.aborted).toEqual(["ours"]);
    },
  );

  it("goes on when somebody else's authority is withdrawn", async () => {
    const { slow, call } = await begin();
    const own = await run();
    const other = await open(own.guard, { ...own.ids, task: "T-other" });
    const theirs = call(other, "theirs");
    const ours = call(own.session, "ours");
    let isOver = false;
    void ours.finally(() => (isOver = true)).catch(() => undefined);
    await expect.poll(() => slow.begun.length).toBe(2);
    await own.guard.revoke({ task: "T-other" });
    expect(findDenial(await theirs)).toMatchObject({ code: "revoked" });
    await expect.poll(() => slow.aborted).toEqual(["theirs"]);
    await sleep(500);
    expect([isOver, slow.aborted]).toEqual([false, ["theirs"]]);
  });
});

describe("a server's question under way", () => {
  const form = { type: "object" as const, properties: { name: { type: "string" as const } } };
  const capabilities = { elicitation: { form: {} } };

  it.each(["client 1.x", "client 2.x"])(
    "is refused, and taken back from %s, which answers too late",
    async (line) => {
      const heard: unknown[] = [];
      const server = await startMcpServer(
        sessionEndpoint(() => {
          const asking = new McpServer1({ name: "lab", version: "1.0.0" });
          asking.registerTool("ask", {}, async ({ requestId, sendRequest }) => {
            // Clients of SDK 1 cannot be told to stop with a request whose id is 0.
            await sendRequest({ method: "ping" }, EmptyResultSchema);
            // On the stream of the call: the one of the session a client may not have opened yet.
            const here = { relatedRequestId: requestId };
            const question = asking.server.elicitInput({ message: "Who?", requestedSchema: form }, here);
            heard.push(await question.catch((error: unknown) => (error as Error).message));
            return { content: [] };
          });
          return asking;
        }),
      );
      onTestFinished(() => server.stop());
      const own = await run();
      let reply: (name: string) => void = () => undefined;
      const answered = new Promise<string>((resolve) => (reply = resolve));
      const signals: AbortSignal[] = [];
      const handler = async (signal: AbortSignal) => {
        signals.push(signal);
        return { action: "accept" as const, content: { name: await answered } };
      };
      const options = { server: "lab" };
      let result: Promise<unknown>;
      if (line === "client 1.x") {
        const client = await connect1(server.url, own.session, options, { capabilities });
        client.setRequestHandler(ElicitRequestSchema, (_request, { signal }) => handler(signal));
        result = client.callTool({ name: "ask", arguments: {} });
      } else {
        const client = await connect2(server.url, own.session, options, { capabilities });
        client.setRequestHandler("elicitation/create", (_request, { mcpReq }) => handler(mcpReq.signal));
        result = client.callTool({ name: "ask", arguments: {} });
      }
      await expect.poll(() => signals.length).toBe(1);
      await own.guard.revoke({ task: own.ids.task });
      const { value, ms } = await timed(result);
      expect(findDenial(value)).toMatchObject({ code: "revoked" });
      await expect.poll(() => heard).toEqual([expect.stringContaining("The client does not allow this.")]);
      expect(ms).toBeLessThan(1000);
      expect(signals[0]?.aborted).toBe(true);
      server.reset();
      reply("Noor");
      await sleep(100);
      expect(server.httpRequests).toBe(0);
    },
  );
});

describe("a local tool under way", () => {
  const inputSchema = z.object({ amount: z.coerce.number() });

  /** A tool that ends with its signal, or when it is told to. */
  const spending = (denials: "throw" | "return", session: Session) => {
    const signals: AbortSignal[] = [];
    let finish: (result: string) => void = () => undefined;
    const finished = new Promise<string>((resolve) => (finish = resolve));
    const execute = (_args: { amount: number }, options?: { abortSignal?: AbortSignal }): Promise<string> => {
      if (options?.abortSignal) signals.push(options.abortSignal);
      return finished;
    };
    const { spend } = guardTools({ spend: { inputSchema, execute } }, session, { toolset: "lab", denials });
    return { spend: spend.execute, signals, finish };
  };
  const args = { amount: "5" as unknown as number };

  it.each(WITHDRAWALS)(
    "ends with the denial when its %s is revoked, and its signal aborts",
    async (_what, withdraw) => {
      const own = await run();
      const { spend, signals } = spending("throw", own.session);
      const { signal: abortSignal } = new AbortController();
      const call = denialOf(spend(args, { abortSignal }));
      await expect.poll(() => signals.length).toBe(1);
      await withdraw(own);
      const { value, ms } = await timed(call);
      expect(value).toMatchObject({ code: "revoked", hop: { action: "tools/call/spend" } });
      expect(ms).toBeLessThan(1000);
      expect(AuthorizationDeniedError.isInstance(signals[0]?.reason)).toBe(true);
      expect(abortSignal.aborted).toBe(false);
    },
  );

  it("that yields what it does ends at the step that it is at, and is no call before its last", async () => {
    const own = await run();
    const ended: string[] = [];
    const { spend } = guardTools(
      {
        spend: {
          inputSchema,
          async *execute({ amount }: { amount: number }) {
            try {
              for (let step = 1; step <= amount; step++) {
                yield step;
                await sleep(amount === 2 ? 0 : 150);
              }
            } finally {
              ended.push("ended");
            }
          },
        },
      },
      own.session,
      { toolset: "lab" },
    );
    const whole: number[] = [];
    for await (const step of await spend.execute({ amount: 2 })) whole.push(step);
    expect([whole, ended]).toEqual([[1, 2], ["ended"]]);
    const steps = await spend.execute(args);
    expect(await steps.next()).toEqual({ done: false, value: 1 });
    await own.guard.revoke({ task: own.ids.task });
    const { value, ms } = await timed(
      denialOf(
        (async () => {
          for await (const _step of steps);
        })(),
      ),
    );
    expect(value).toMatchObject({ code: "revoked" });
    expect(ms).toBeLessThan(1000);
    await expect.poll(() => ended).toHaveLength(2);
  });

  const untilCancelled = (cancelled: () => void) => ({
    "a stream": () =>
      new ReadableStream<number>({
        pull: async (controller) => {
          await sleep(100);
          controller.enqueue(1);
        },
        cancel: cancelled,
      }),
    "something to iterate over": (): AsyncIterable<number> => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          await sleep(100);
          return { done: false, value: 1 };
        },
        return: () => {
          cancelled();
          return Promise.resolve({ done: true as const, value: undefined });
        },
      }),
    }),
  });

  it.each(["a stream", "something to iterate over"] as const)(
    "that returns %s ends what it returned, too",
    async (what) => {
      const own = await run();
      let isCancelled = false;
      const execute = untilCancelled(() => (isCancelled = true))[what];
      const { spend } = guardTools({ spend: { inputSchema, execute } }, own.session, { toolset: "lab" });
      const parts = (await (spend.execute as (given: object) => unknown)(args)) as AsyncIterable<number>;
      expect(parts instanceof ReadableStream).toBe(what === "a stream");
      const reading = denialOf(
        (async () => {
          for await (const _part of parts);
        })(),
      );
      await sleep(250);
      await own.guard.revoke({ task: own.ids.task });
      const { value, ms } = await timed(reading);
      expect(value).toMatchObject({ code: "revoked", hop: { action: "tools/call/spend" } });
      expect(ms).toBeLessThan(1000);
      await expect.poll(() => isCancelled).toBe(true);
    },
  );

  it("that knows no signal goes on, and its result reaches nobody", async () => {
    const own = await run();
    const { spend, finish } = spending("return", own.session);
    const call = spend(args);
    await sleep(100);
    await own.guard.revoke({ task: own.ids.task });
    expect(await call).toMatchObject({ decision: "deny", code: "revoked" });
    finish("spent");
    expect(await call).toMatchObject({ code: "revoked" });
  });

  it("is asked about anew with the arguments that it runs on, and not with those that came", async () => {
    const own = await run("user", { recheckEveryMs: 50 });
    const { spend, finish } = spending("throw", own.session);
    const call = spend(args);
    await expect.poll(() => rechecksOf(own).length).toBeGreaterThan(2);
    finish("spent");
    expect(await call).toBe("spent");
  });

  it("goes on when somebody else's authority is withdrawn", async () => {
    const own = await run();
    const { spend, finish } = spending("throw", own.session);
    const call = spend(args);
    await own.guard.revoke({ task: "T-other" });
    await sleep(600);
    finish("spent");
    expect(await call).toBe("spent");
  });
});
