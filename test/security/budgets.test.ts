import { setTimeout as sleep } from "node:timers/promises";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import {
  createGuard,
  findDenial,
  memoryState,
  type GuardOptions,
  type Hop,
  type PdpQuery,
  type Session,
  type StateStore,
} from "hopguard";
import { guardFetch } from "hopguard/fetch";
import { guardTransport } from "hopguard/mcp";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { serve } from "../../examples/shared/serve";
import { startMcpServer } from "../../examples/support-desk/servers/mcp-http";
import { auditRecorder } from "../support/audit-recorder";
import { connect2 } from "../support/mcp-clients";

const call = (max_tokens?: number, model = "gpt-4o-mini"): Hop => ({
  kind: "llm_model",
  id: model,
  action: "completion",
  attr: {
    endpoint: "https://api.example/v1",
    request: { estimated_input_tokens: 100, ...(max_tokens !== undefined && { max_tokens }) },
  },
});
interface Sum {
  readonly calls: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly tokens: number;
  readonly cost: number;
}
interface UsageFacts {
  readonly session: Sum;
  readonly task: Sum;
  readonly principal: { readonly hour: Sum; readonly day: Sum };
  readonly agent: { readonly hour: Sum };
}
const usageOf = (query: PdpQuery | undefined): UsageFacts =>
  (query?.resource.attr.context as unknown as { usage: UsageFacts }).usage;

const modelFacts = [
  { model: "gpt-4o-mini", price: { input: 0.5, output: 2 }, tier: "small", maxOutputTokens: 500 },
];

/** A policy with one limit, on what the task has used. */
const limitedTo = (tokens: number) => stubPdp({ rules: [(query) => usageOf(query).task.tokens <= tokens] });

/** A session, and how often it was looked up whether its authority was withdrawn. */
async function openCounted() {
  const state = memoryState();
  let looks = 0;
  const find: typeof state.revocations.find = (authority) => {
    looks++;
    return state.revocations.find(authority);
  };
  const session = await open({
    pdp: stubPdp({ rules: [() => true] }),
    state: { ...state, revocations: { ...state.revocations, find } },
  });
  return { session, looks: () => looks };
}

/** A provider on loopback, and the guarded way to it. */
async function provider(
  session: Session,
  answer: (request: Request) => Response | Promise<Response>,
  api: "openai" | "anthropic" = "openai",
) {
  const server = await serve(async (request) => answer(request));
  onTestFinished(() => server.stop());
  const { url } = server;
  const baseURL = api === "openai" ? `${url}/v1` : url;
  const guarded = guardFetch(session, { baseURL, api });
  const fetch = (path: string, body: object, signal?: AbortSignal): Promise<Response> =>
    guarded(baseURL + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  return { url, fetch };
}

function open(options: Partial<GuardOptions>, task = "T-1", principal = "u-1"): Promise<Session> {
  const guard = createGuard({
    pdp: stubPdp(),
    audit: () => undefined,
    usage: {},
    modelFacts,
    repeats: false,
    ...options,
  });
  return guard.session({
    principal: { id: principal, roles: ["clerk"] },
    agent: { id: "bot" },
    task: { id: task },
  });
}

describe("what a hop may use up", () => {
  it("is counted before the policy is asked, in every sum that it belongs to", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    await session.check(call(300));
    const sum = {
      calls: 1,
      input_tokens: 100,
      output_tokens: 300,
      reasoning_tokens: 0,
      tokens: 400,
      cost: 0.00065,
    };
    expect(usageOf(pdp.queries[0])).toEqual({
      session: sum,
      task: sum,
      principal: { hour: sum, day: sum },
      agent: { hour: sum, day: sum },
    });
    await session.check({ kind: "mcp_payments", action: "tools/list" });
    expect(usageOf(pdp.queries[1]).task).toEqual({ ...sum, calls: 2 });
  });

  it("is bounded by the request, the model's facts, or what is assumed", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const seen: number[] = [];
    for (const hop of [call(300), call(), call(undefined, "unknown"), call(-5), call(NaN)]) {
      const before = seen.reduce((sum, tokens) => sum + tokens, 0);
      await session.check(hop);
      seen.push(usageOf(pdp.queries.at(-1)).task.output_tokens - before);
    }
    // A negative number is no bound, and NaN is null in JSON.
    expect(seen).toEqual([300, 500, 4096, 500, 500]);
  });

  it("wipes nothing out, however large the model says it is", async () => {
    const session = await open({ pdp: limitedTo(1000) });
    expect((await session.check(call(800))).effect).toBe("allow");
    for (const huge of [1e300, Number.MAX_SAFE_INTEGER, 2 ** 53]) {
      expect((await session.check(call(huge))).effect).toBe("deny");
    }
    expect((await session.check(call(800))).effect).toBe("deny");
  });

  it("gives way to what was used, once it is known; without a word of that it stands", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const settle = async (
      outcome: "done" | "failed",
      usage?: { input_tokens: number; output_tokens: number },
    ) => {
      const decision = await session.check(call(300));
      if (decision.effect === "deny") throw new Error(decision.denial.reason);
      decision.settle(outcome, usage);
      decision.settle("failed");
      const { session: sum } = usageOf(pdp.queries.at(-1));
      return sum.tokens;
    };
    expect(await settle("done", { input_tokens: 90, output_tokens: 10 })).toBe(400);
    expect(await settle("failed")).toBe(100 + 400);
    expect(await settle("done")).toBe(100 + 400);
    expect(await settle("failed", { input_tokens: 5, output_tokens: 0 })).toBe(100 + 400 + 400);
    await session.check(call(300));
    expect(usageOf(pdp.queries.at(-1)).session).toMatchObject({ calls: 4, tokens: 100 + 400 + 5 + 400 });
  });

  it.each([
    ["a provider's own object", { prompt_tokens: 90, completion_tokens: 10 }],
    ["half of it", { input_tokens: 90 }],
    ["no numbers", { input_tokens: "90", output_tokens: "10" }],
    ["NaN", { input_tokens: NaN, output_tokens: NaN }],
    ["less than nothing", { input_tokens: -90, output_tokens: 10 }],
  ])("stands when what is said of the use cannot be read: %s", async (_what, usage) => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const decision = await session.authorize(call(300));
    decision.settle("done", usage as never);
    await session.check({ kind: "mcp_payments", action: "tools/list" });
    expect(usageOf(pdp.queries.at(-1)).session).toMatchObject({ calls: 2, tokens: 400 });
  });

  it("is given back when it is denied, and never counted by asking", async () => {
    const pdp = limitedTo(1000);
    const session = await open({ pdp });
    expect((await session.check(call(2000))).effect).toBe("deny");
    expect((await session.check(call(900), { lookUp: true })).effect).toBe("allow");
    expect((await session.check(call(901), { lookUp: true })).effect).toBe("deny");
    expect((await session.check(call(900))).effect).toBe("allow");
    expect((await session.check(call(900), { lookUp: true })).effect).toBe("deny");
  });
});

describe("an estimate", () => {
  it.each<[string, object, number]>([
    ["every choice", { n: 3 }, 3 * 100],
    ["every one of which the best is chosen", { n: 2, best_of: 5 }, 5 * 100],
    ["every prompt", { messages: undefined, prompt: ["a", "b", "c"], n: 2 }, 3 * 2 * 100],
    ["one prompt in tokens", { messages: undefined, prompt: [1, 2, 3] }, 100],
    ["every prompt in tokens", { messages: undefined, prompt: [[1], [2]] }, 2 * 100],
    ["the larger of two limits", { max_completion_tokens: 700 }, 700],
    ["what is assumed where the limit is null", { max_tokens: null }, 500],
    ["what is assumed where the limit is negative, which is none to some", { max_tokens: -1 }, 500],
    ["what is assumed where one of two limits is negative", { max_completion_tokens: -1 }, 500],
    ["no limit that another endpoint knows", { max_tokens: null, max_output_tokens: 1 }, 500],
  ])("counts %s", async (_what, more, expected) => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const { fetch } = await provider(session, () => Response.json({}, { status: 500 }));
    const messages = [{ role: "user", content: "Hello" }];
    const path = "prompt" in more ? "/completions" : "/chat/completions";
    await fetch(path, { model: "gpt-4o-mini", max_tokens: 100, messages, ...more });
    expect(usageOf(pdp.queries.at(-1)).task.output_tokens).toBe(expected);
  });

  it.each([{ max_tokens: "900" }, { max_completion_tokens: [900] }, { n: "4" }, { best_of: true }])(
    "is made of numbers only, though lenient providers take other things for numbers: %j",
    async (more) => {
      const pdp = stubPdp({ rules: [() => true] });
      const session = await open({ pdp });
      let sent = 0;
      const { fetch } = await provider(session, () => Response.json({ sent: ++sent }));
      const messages = [{ role: "user", content: "Hello" }];
      const response = await fetch("/chat/completions", { model: "gpt-4o-mini", messages, ...more });
      expect(findDenial(await response.json())?.code).toBe("arguments_invalid");
      expect([sent, pdp.queries]).toEqual([0, []]);
    },
  );

  it("of what runs no model is of one call and no tokens", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const { fetch, url } = await provider(session, () => Response.json({ input_tokens: 5 }), "anthropic");
    const messages = [{ role: "user", content: "Hello" }];
    await (await fetch("/v1/messages/count_tokens", { model: "gpt-4o-mini", messages })).text();
    await (
      await guardFetch(session, { baseURL: url, api: "anthropic" })(`${url}/v1/models/gpt-4o-mini`)
    ).text();
    await sleep(10);
    await session.check({ kind: "mcp_payments", action: "tools/list" });
    expect(usageOf(pdp.queries.at(-1)).task).toMatchObject({ calls: 3, tokens: 0 });
  });

  it("of a batch is of all its requests, whatever they have in common", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const { fetch } = await provider(session, () => Response.json({ id: "b-1" }), "anthropic");
    const params = {
      model: "claude-haiku-5-5",
      max_tokens: 50,
      messages: [{ role: "user", content: "Hello" }],
    };
    const other = { ...params, model: "gpt-4o-mini" };
    const requests = [params, params, params, other].map((params, index) => ({
      custom_id: `${index}`,
      params,
    }));
    await (await fetch("/v1/messages/batches", { requests })).text();
    await sleep(10);
    // It stands: what a batch has used is known hours later, and not here.
    await session.check({ kind: "mcp_payments", action: "tools/list" });
    const { calls, input_tokens, output_tokens } = usageOf(pdp.queries.at(-1)).task;
    expect([calls, output_tokens]).toEqual([4 + 1, 4 * 50]);
    const each = [params, params, params, other].map((one) => JSON.stringify(one).length / 4);
    expect(input_tokens).toBeGreaterThanOrEqual(Math.floor(each.reduce((sum, tokens) => sum + tokens)));
  });

  it("of a batch by file is counted when it is run, and not when it is uploaded or looked at", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const { url } = await provider(session, () => Response.json({ id: "x-1", output_file_id: "o-1" }));
    const guarded = guardFetch(session, { baseURL: `${url}/v1` });
    const post = async (path: string, init: RequestInit): Promise<void> => {
      const response = await guarded(`${url}/v1${path}`, init);
      expect(response.status).toBe(200);
      await response.text();
      await sleep(10);
    };
    const used = async () => {
      await session.check({ kind: "mcp_payments", action: "tools/list" }, { lookUp: true });
      const { calls, output_tokens } = usageOf(pdp.queries.at(-1)).task;
      return [calls - 1, output_tokens];
    };
    const line = (index: number) => ({
      custom_id: `${index}`,
      method: "POST",
      url: "/v1/chat/completions",
      body: { model: "gpt-4o-mini", max_tokens: 50, messages: [{ role: "user", content: "Hello" }] },
    });
    const body = new FormData();
    body.append("purpose", "batch");
    body.append(
      "file",
      new File([[1, 2, 3].map((index) => JSON.stringify(line(index))).join("\n")], "b.jsonl"),
    );
    await post("/files", { method: "POST", body });
    expect(await used()).toEqual([1, 0]);
    const run = { input_file_id: "x-1", endpoint: "/v1/chat/completions", completion_window: "24h" };
    await post("/batches", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(run),
    });
    expect(await used()).toEqual([1 + 3, 3 * 50]);
    await post("/batches/x-1", { method: "GET" });
    await post("/batches/x-1/cancel", { method: "POST" });
    expect(await used()).toEqual([1 + 3 + 1, 3 * 50]);
  });
});

describe("a call that nobody waits for", () => {
  const MESSAGES = [{ role: "user", content: "Hello" }];
  const body = { model: "gpt-4o-mini", max_tokens: 300, messages: MESSAGES };

  it("may have been served: giving up does not give its budget back", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const served: unknown[] = [];
    const { fetch } = await provider(session, async (request) => {
      served.push(await request.json());
      await sleep(200);
      return Response.json({ choices: [] });
    });
    await expect(fetch("/chat/completions", body, AbortSignal.timeout(100))).rejects.toThrow();
    expect(served).toHaveLength(1);
    await session.check({ kind: "mcp_payments", action: "tools/list" });
    const { session: facts } = pdp.queries.at(-1)?.resource.attr.context as unknown as {
      session: { calls: object; attempts: object };
    };
    expect(usageOf(pdp.queries.at(-1)).task).toMatchObject({ calls: 2, output_tokens: 300 });
    // Nor is it one of the calls that other rules may build on.
    expect(facts.calls).toEqual({});
    expect(facts.attempts).toMatchObject({ completion: 1 });
  });

  it("is not watched for ever, though nobody reads its answer to the end", async () => {
    const { session, looks } = await openCounted();
    const { fetch } = await provider(session, () => {
      const chunk = new TextEncoder().encode(`data: {"choices":[]}\n\n`);
      const stream = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(chunk) });
      return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    });
    const controller = new AbortController();
    const response = await fetch("/chat/completions", { ...body, stream: true }, controller.signal);
    expect(response.status).toBe(200);
    controller.abort();
    const before = looks();
    await sleep(900);
    expect(looks()).toBe(before);
  });

  it("is not watched for ever, though nobody reads its JSON", async () => {
    const { session, looks } = await openCounted();
    const { fetch } = await provider(session, () =>
      Response.json({ id: "chat", filler: "x".repeat(200_000) }),
    );
    const response = await fetch("/chat/completions", body);
    await sleep(100);
    const before = looks();
    await sleep(900);
    expect(looks()).toBe(before);
    expect(await response.json()).toMatchObject({ id: "chat" });
  });

  it("of an MCP server counts, too, and is no call that others may build on", async () => {
    const pdp = stubPdp({ rules: [() => true], plan: () => "always" });
    const session = await open({ pdp });
    let runs = 0;
    const server = await startMcpServer(
      createMcpHandler(() => {
        const lab = new McpServer({ name: "lab", version: "1.0.0" });
        lab.registerTool("pay", { inputSchema: z.object({}) }, async () => {
          runs++;
          await sleep(400);
          return { content: [] };
        });
        return lab;
      }),
    );
    onTestFinished(() => server.stop());
    const client = await connect2(server.url, session, { server: "lab" });
    onTestFinished(() => client.close());
    await client.listTools();
    await session.check({ kind: "ledger", id: "x", action: "read" });
    const before = usageOf(pdp.queries.at(-1)).task.calls;
    const given = { signal: AbortSignal.timeout(200) };
    await expect(client.callTool({ name: "pay", arguments: {} }, given)).rejects.toThrow();
    expect(runs).toBe(1);
    await session.check({ kind: "ledger", id: "x", action: "read" });
    const { session: facts } = pdp.queries.at(-1)?.resource.attr.context as unknown as {
      session: { calls: object };
    };
    expect(usageOf(pdp.queries.at(-1)).task.calls).toBe(before + 2);
    expect(facts.calls).not.toHaveProperty("tools/call/pay");
  });
});

describe("a call of a tool that goes on after its answer", () => {
  /** A server that answers as the test says, and what has been done so far, as policies read it. */
  async function lab(answer: (method: string, params: Record<string, unknown>) => object) {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const [near, server] = InMemoryTransport.createLinkedPair();
    const client = guardTransport(near, session, { server: "lab", schemas: { look: { type: "object" } } });
    const answers = new Map<unknown, unknown>();
    client.onmessage = (message) => void answers.set((message as { id?: unknown }).id, message);
    server.onmessage = (message) => {
      const { id, method, params } = message as {
        id?: number;
        method: string;
        params: Record<string, unknown>;
      };
      if (id !== undefined) void server.send({ jsonrpc: "2.0", id, result: answer(method, params) } as never);
    };
    await client.start();
    onTestFinished(() => client.close());
    let last = 0;
    const ask = async (method: string, params: object): Promise<void> => {
      const id = ++last;
      await client.send({ jsonrpc: "2.0", id, method, params } as never);
      await expect.poll(() => answers.has(id)).toBe(true);
    };
    const done = async (): Promise<unknown> => {
      await session.check({ kind: "ledger", id: "x", action: "read" });
      const { session: facts } = pdp.queries.at(-1)?.resource.attr.context as unknown as {
        session: { calls: Record<string, number> };
      };
      return facts.calls["tools/call/look"];
    };
    return { ask, done, look: { name: "look", arguments: {} } };
  }
  const working = { taskId: "t", status: "working" };
  const asTask = (what: object) => (method: string) => (method === "tools/call" ? { task: working } : what);

  it.each<[string, string, object, unknown]>([
    ["whose result is fetched", "tasks/result", { content: [] }, 1],
    ["whose result is told with its status", "tasks/get", { ...working, status: "completed", result: {} }, 1],
    ["that works still", "tasks/get", working, undefined],
    ["whose result is an error", "tasks/result", { content: [], isError: true }, undefined],
    ["that has failed", "tasks/get", { ...working, status: "failed" }, undefined],
    ["that was cancelled", "tasks/cancel", { ...working, status: "cancelled" }, undefined],
  ])("is done with what comes of its task: of one %s", async (_what, method, answer, expected) => {
    const { ask, done, look } = await lab(asTask(answer));
    await ask("tools/call", { ...look, task: {} });
    expect(await done()).toBeUndefined();
    await ask(method, { taskId: "t" });
    await ask("tasks/result", { taskId: "another" });
    expect(await done()).toBe(expected);
  });

  it("is not done as long as it asks for input", async () => {
    const schema = { type: "object", properties: {} };
    const inputRequests = {
      who: { method: "elicitation/create", params: { message: "Who?", requestedSchema: schema } },
    };
    const { ask, done, look } = await lab((_method, { inputResponses }) =>
      inputResponses
        ? { resultType: "complete", content: [] }
        : { resultType: "input_required", inputRequests },
    );
    await ask("tools/call", look);
    expect(await done()).toBeUndefined();
    await ask("tools/call", { ...look, inputResponses: { who: { action: "decline" } } });
    expect(await done()).toBe(1);
  });
});

describe("an answer that is no stream, though one was asked for", () => {
  it("reaches whoever asked, whole", async () => {
    const session = await open({ pdp: stubPdp({ rules: [() => true] }) });
    const answer = { id: "chat", choices: [], usage: { prompt_tokens: 10, completion_tokens: 2 } };
    const { fetch } = await provider(session, () => Response.json(answer));
    const asked = { model: "gpt-4o-mini", messages: [], stream: true };
    expect(await (await fetch("/chat/completions", asked)).json()).toEqual(answer);
  });
});

describe("a store that is slow", () => {
  it("takes back what it has counted too late for the hop to go on", async () => {
    const state = memoryState();
    let delayMs = 100;
    const slow: StateStore = {
      ...state,
      session: (id, startedAt) => {
        const counter = state.session(id, startedAt);
        return {
          ...counter,
          begin: async (start) => {
            await sleep(delayMs);
            return counter.begin(start);
          },
        };
      },
    };
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp, state: slow, timeoutMs: 50 });
    expect(await session.check(call(300))).toMatchObject({ denial: { code: "state_unavailable" } });
    expect(pdp.queries).toEqual([]);
    await sleep(100);
    delayMs = 0;
    await session.check(call(300));
    expect(usageOf(pdp.queries[0]).task).toMatchObject({ calls: 1, output_tokens: 300 });
  });
});

describe("a limit in policy", () => {
  it("for one lets one of twenty pass that come at once", async () => {
    const session = await open({ pdp: limitedTo(400) });
    const decisions = await Promise.all(Array.from({ length: 20 }, () => session.check(call(300))));
    expect(decisions.filter(({ effect }) => effect === "allow")).toHaveLength(1);
  });

  it("holds for all sessions of a task, and not for another task", async () => {
    const state = memoryState();
    const pdp = limitedTo(1000);
    const sessions = await Promise.all([open({ pdp, state }), open({ pdp, state }, "T-1", "u-2")]);
    const calls = sessions.flatMap((session) => Array.from({ length: 5 }, () => session.check(call(300))));
    const decisions = await Promise.all(calls);
    expect(decisions.filter(({ effect }) => effect === "allow").length).toBeLessThanOrEqual(2);
    const other = await open({ pdp, state }, "T-2");
    expect((await other.check(call(300))).effect).toBe("allow");
  });

  it("by the hour begins anew with the hour", async () => {
    let now = new Date("2026-11-21T10:59:00Z");
    const pdp = stubPdp({ rules: [(query) => usageOf(query).principal.hour.calls <= 1] });
    const session = await open({ pdp, clock: () => now });
    expect((await session.check(call())).effect).toBe("allow");
    expect((await session.check(call())).effect).toBe("deny");
    now = new Date("2026-11-21T11:00:00Z");
    expect((await session.check(call())).effect).toBe("allow");
  });
});

describe("what the operator knows of a model", () => {
  it("is there for the policy, by its canonical id and the place where it runs", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({
      pdp,
      models: { "team-fast": "gpt-4o-mini" },
      modelFacts: [
        { model: "gpt-4o-mini", tier: "small", region: "us" },
        { model: "gpt-4o-mini", baseURL: "https://api.example/v1/", tier: "small", region: "eu" },
      ],
    });
    const regionOf = (query: PdpQuery | undefined) => query?.resource.attr.region;
    await session.check({ ...call(), id: "team-fast" });
    expect(pdp.queries.slice(-2).map(regionOf)).toEqual(["eu", "eu"]);
    await session.check({
      kind: "llm_model",
      id: "gpt-4o-mini",
      action: "completion",
      attr: { region: "eu" },
    });
    expect(regionOf(pdp.queries.at(-1))).toBe("us");
    await session.check({ kind: "llm_model", id: "other", action: "completion" });
    expect(regionOf(pdp.queries.at(-1))).toBeUndefined();
  });

  it("is there for the policy when models are listed", async () => {
    const pdp = stubPdp({ rules: [({ resource }) => resource.attr.tier === "small"] });
    const session = await open({ pdp, models: { "team-fast": "gpt-4o-mini" } });
    const { models } = await session.capabilities({ models: ["gpt-4o-mini", "team-fast", "gpt-4o"] });
    expect({ ...models }).toEqual({ "gpt-4o-mini": "always", "team-fast": "always", "gpt-4o": "never" });
  });

  it("is refused where it is wrong", () => {
    const guard = (facts: object) => () => createGuard({ pdp: stubPdp(), modelFacts: [facts as never] });
    expect(guard({ model: "a b" })).toThrow(/modelFacts\.0\.model/);
    expect(guard({ model: "a", price: { input: -1, output: 0 } })).toThrow(/modelFacts\.0\.price\.input/);
    expect(guard({ model: "a", baseURL: "nowhere" })).toThrow(/modelFacts\.0\.baseURL/);
  });
});

it("a window cannot be named like the sum of all time", () => {
  const windows = { total: 1000 };
  expect(() => createGuard({ pdp: stubPdp(), usage: { windows } })).toThrow(/usage\.windows\.total/);
});

it("a look-up foresees attempts at actions that are named like what every object has", async () => {
  const pdp = stubPdp({ rules: [() => true] });
  const session = await open({ pdp });
  for (const action of ["constructor", "toString", "__proto__"]) {
    await session.check({ kind: "door", id: "d", action }, { lookUp: true });
    const { session: facts } = pdp.queries.at(-1)?.resource.attr.context as unknown as {
      session: { attempts: object };
    };
    expect(Object.entries(facts.attempts)).toEqual([[action, 1]]);
  }
});

it("usage is not counted where nobody asks for it", async () => {
  const pdp = stubPdp({ rules: [() => true] });
  const audit = auditRecorder();
  const guard = createGuard({ pdp, audit });
  const session = await guard.session({ principal: { id: "u-1", roles: ["clerk"] }, agent: { id: "bot" } });
  await session.check(call());
  expect(usageOf(pdp.queries[0])).toBeUndefined();
});
