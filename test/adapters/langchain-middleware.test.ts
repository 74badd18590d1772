import { tool } from "@langchain/core/tools";
import { AIMessage, type BaseMessage, type ToolMessage } from "@langchain/core/messages";
import { RunnableLambda } from "@langchain/core/runnables";
import { Command, MemorySaver } from "@langchain/langgraph";
import { findDenial, type Guardrail, type Session } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { guardFetch } from "hopguard/fetch";
import { guardLangChainTools, HopguardCallbackHandler, hopguardMiddleware } from "hopguard/langchain";
import { stubPdp } from "hopguard/testing";
import {
  createAgent,
  createMiddleware,
  llmToolSelectorMiddleware,
  modelFallbackMiddleware,
  toolEmulatorMiddleware,
  toolErrorMiddleware,
} from "langchain";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  calls,
  openLangChainDesk,
  recordedTools,
  says,
  toolResultsSent,
  type LangChainDesk,
} from "../support/langchain";

let desk: LangChainDesk;
let session: Session;
beforeAll(async () => {
  desk = await openLangChainDesk();
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  session = await desk.session("analyst");
});

const USER = { messages: [{ role: "user", content: "Go on." }] };
const TOOLSET = { toolset: "desk" } as const;
const denialOf = async (run: Promise<unknown>) =>
  findDenial(
    await run.then(
      () => expect.fail("it was not denied"),
      (error: unknown) => error,
    ),
  );
const isToolMessage = (message: { readonly type: string }): message is ToolMessage => message.type === "tool";

describe("an agent under hopguardMiddleware", () => {
  it("works with what is allowed", async () => {
    const { note, runs } = recordedTools();
    desk.play(calls({ name: "note", arguments: { text: "a" } }), says("done"));
    const agent = createAgent({
      model: desk.model(),
      tools: [note],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    const { messages } = await agent.invoke(USER);
    expect(messages.at(-1)?.content).toBe("done");
    expect(runs).toEqual([{ tool: "note", args: { text: "a" } }]);
    expect(desk.records.map(({ hop, effect, flags }) => [hop.action, effect, ...flags])).toContainEqual([
      "tools/call/note",
      "allow",
    ]);
  });

  it("sends nothing to a model that is denied, and says which to use", async () => {
    const { note } = recordedTools();
    const agent = createAgent({
      model: desk.model("gpt-4o"),
      tools: [note],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    const denial = await denialOf(agent.invoke(USER));
    expect(denial).toMatchObject({
      code: "policy_denied",
      remediation: { type: "use_model", model: "gpt-4o-mini" },
    });
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("lets LangChain fall back on a model that is allowed", async () => {
    const middleware = [modelFallbackMiddleware(desk.model()), hopguardMiddleware(session, TOOLSET)];
    await createAgent({ model: desk.model("gpt-4o"), tools: [], middleware }).invoke(USER);
    expect(desk.provider.requests.map(({ body }) => (body as { readonly model: string }).model)).toEqual([
      "gpt-4o-mini",
    ]);
  });

  it("shows the model no tool that its principal may never use", async () => {
    const { note, refund, secret } = recordedTools();
    const agent = createAgent({
      model: desk.model(),
      tools: [note, refund, secret],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    await agent.invoke(USER);
    const { tools } = desk.provider.requests[0]?.body as {
      readonly tools: readonly { readonly function: { readonly name: string } }[];
    };
    expect(tools.map((each) => each.function.name)).toEqual(["note", "refund"]);
  });

  const choosing = (toolChoice: unknown) =>
    createMiddleware({
      name: "choosing",
      wrapModelCall: (request, handler) => handler({ ...request, toolChoice: toolChoice as never }),
    });
  it.each(["secret", { type: "tool", name: "secret" }, { type: "function", function: { name: "secret" } }])(
    "denies a choice of such a tool, as %j",
    async (choice) => {
      const { note, secret } = recordedTools();
      const agent = createAgent({
        model: desk.model(),
        tools: [note, secret],
        middleware: [choosing(choice), hopguardMiddleware(session, TOOLSET)],
      });
      expect(await denialOf(agent.invoke(USER))).toMatchObject({ code: "unsupported_hop" });
      expect(desk.provider.requests).toHaveLength(0);
    },
  );

  it("keeps a choice of what is shown, and none where nothing is", async () => {
    const { note, secret } = recordedTools();
    const choice = { type: "function", function: { name: "note" } };
    for (const { tools, chosen } of [
      { tools: [note, secret], chosen: choice },
      { tools: [secret], chosen: "required" },
    ]) {
      const middleware = [choosing(chosen), hopguardMiddleware(session, TOOLSET)];
      await createAgent({ model: desk.model(), tools, middleware }).invoke(USER);
    }
    expect(
      desk.provider.requests.map(({ body }) => (body as { readonly tool_choice?: unknown }).tool_choice),
    ).toEqual([choice, undefined]);
  });

  it("runs of parallel calls those that are allowed, and the next turn reads why not the others", async () => {
    const { note, refund, secret, runs } = recordedTools();
    desk.play(
      calls(
        { name: "refund", arguments: { amount_cents: 900_000 } },
        { name: "note", arguments: { text: "b" } },
        { name: "secret", arguments: {} },
        { name: "refund", arguments: { amount_cents: "9" } },
        { name: "constructor", arguments: {} },
      ),
    );
    const agent = createAgent({
      model: desk.model(),
      tools: [note, refund, secret],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    const { messages } = await agent.invoke(USER);
    expect(runs).toEqual([{ tool: "note", args: { text: "b" } }]);
    const [large, noted, hidden, text, unknown] = messages.filter(isToolMessage);
    expect(large).toMatchObject({
      status: "error",
      artifact: {
        code: "policy_denied",
        reason: "above the cap",
        remediation: { type: "step_up", approvers_role: "lead" },
      },
    });
    expect(noted?.content).toBe("note is done");
    expect(hidden).toMatchObject({ status: "error", artifact: { code: "policy_denied" } });
    expect(text).toMatchObject({ status: "error", artifact: { code: "arguments_invalid" } });
    expect(unknown).toMatchObject({
      status: "error",
      artifact: { hop: { action: "tools/call/constructor" } },
    });
    const [sent] = toolResultsSent(desk);
    expect(sent).toMatch(/above the cap.*"approvers_role":"lead".*Do not retry the same call\./);
  });

  it("streams, and streams nothing of what is denied", async () => {
    const { refund, runs } = recordedTools();
    desk.play(calls({ name: "refund", arguments: { amount_cents: 6000 } }), says("no refund"));
    const agent = createAgent({
      model: desk.model(),
      tools: [refund],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    let text = "";
    for await (const [chunk] of await agent.stream(USER, { streamMode: "messages" })) text += chunk.text;
    expect(text).toContain("no refund");
    expect(text).toContain("above the cap");
    expect(runs).toEqual([]);
  });

  it("runs a tool on what its schema made of the arguments, which the policy has seen", async () => {
    const ran: unknown[] = [];
    // Twice through this schema would charge ten thousand times as much.
    const schema = z.object({
      dollars: z.number().transform((dollars) => dollars * 100),
      note: z.string().default("-"),
    });
    const charge = tool((args) => void ran.push(args), { name: "charge", description: "Charges.", schema });
    desk.play(calls({ name: "charge", arguments: { dollars: 3, other: true } }));
    const guard = desk.guardWith({ recordArguments: true });
    const own = await guard.session({ principal: { id: "a", roles: ["analyst"] }, agent: { id: "agent" } });
    const agent = createAgent({
      model: desk.model(),
      tools: [charge],
      middleware: [hopguardMiddleware(own, TOOLSET)],
    });
    await agent.invoke(USER);
    expect(ran).toEqual([{ dollars: 300, note: "-" }]);
    const [record] = desk.records.filter(
      ({ hop, flags }) => hop.action === "tools/call/charge" && !flags.includes("look_up"),
    );
    expect(record?.arguments).toEqual(ran[0]);
  });

  it("runs what was checked, though the model's message changes meanwhile", async () => {
    const { note, runs } = recordedTools();
    desk.play(calls({ name: "note", arguments: { text: "as it was" } }));
    const meddle = createMiddleware({
      name: "meddle",
      wrapToolCall: (request, handler) => {
        const result = handler(request);
        request.toolCall.args.text = "changed";
        return result;
      },
    });
    const agent = createAgent({
      model: desk.model(),
      tools: [note],
      middleware: [meddle, hopguardMiddleware(session, TOOLSET)],
    });
    await agent.invoke(USER);
    const [record] = desk.records.filter(
      ({ hop, flags }) => hop.action === "tools/call/note" && !flags.includes("look_up"),
    );
    expect(runs).toHaveLength(1);
    expect(record?.effect).toBe("allow");
    expect(JSON.stringify(runs[0]?.args)).toContain("as it was");
  });

  it("decides on what an inner middleware made of a call", async () => {
    const { refund, runs } = recordedTools();
    desk.play(calls({ name: "refund", arguments: { amount_cents: 10 } }));
    const raise = createMiddleware({
      name: "raise",
      wrapToolCall: (request, handler) =>
        handler({ ...request, toolCall: { ...request.toolCall, args: { amount_cents: 900_000 } } }),
    });
    const agent = createAgent({
      model: desk.model(),
      tools: [refund],
      middleware: [hopguardMiddleware(session, TOOLSET), raise],
    });
    await agent.invoke(USER);
    expect(runs).toEqual([]);
    expect(toolResultsSent(desk)[0]).toContain("above the cap");
  });

  it("finds a model that a later middleware swaps in at the guarded fetch", async () => {
    const { note } = recordedTools();
    const fetch = guardFetch(session, { baseURL: desk.provider.openaiBaseURL });
    const configuration = { fetch };
    const swap = createMiddleware({
      name: "swap",
      wrapModelCall: (request, handler) =>
        handler({ ...request, model: desk.model("gpt-4o", { configuration }) }),
    });
    const guard = hopguardMiddleware(session, { ...TOOLSET, models: "pass" });
    const agent = createAgent({
      model: desk.model("gpt-4o-mini", { configuration }),
      tools: [note],
      middleware: [guard, swap],
    });
    expect(await denialOf(agent.invoke(USER))).toMatchObject({ code: "policy_denied" });
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("decides what an agent within a tool does, for the same session", async () => {
    const { note, secret, runs } = recordedTools();
    const helper = createAgent({ model: desk.model(), tools: [note, secret] });
    const askHelper = tool(async () => (await helper.invoke(USER)).messages.at(-1)?.content, {
      name: "ask_helper",
      description: "Asks the helper.",
      schema: z.object({}),
    });
    desk.play(
      calls({ name: "ask_helper", arguments: {} }),
      calls({ name: "note", arguments: { text: "inner" } }, { name: "secret", arguments: {} }),
      says("the helper is done"),
      says("done"),
    );
    const guard = hopguardMiddleware(session, { ...TOOLSET, untyped: "allow" });
    const agent = createAgent({ model: desk.model(), tools: [askHelper], middleware: [guard] });
    await agent.invoke(USER);
    expect(runs).toEqual([{ tool: "note", args: { text: "inner" } }]);
    const decided = desk.records
      .filter(({ flags }) => flags.length === 0)
      .map(({ hop, effect }) => `${effect} ${hop.action}`);
    expect(decided.filter((line) => line.endsWith("/note"))).toEqual(["allow tools/call/note"]);
    expect(decided.filter((line) => line.endsWith("/secret"))).toEqual(["deny tools/call/secret"]);
    expect(decided.filter((line) => line.endsWith("completion"))).toHaveLength(4);
  });

  it("denies the model of an agent within a tool, and the outer model reads why", async () => {
    const helper = createAgent({ model: desk.model("gpt-4o"), tools: [] });
    const askHelper = tool(async () => (await helper.invoke(USER)).messages.at(-1)?.content, {
      name: "ask_helper",
      description: "Asks the helper.",
      schema: z.object({}),
    });
    desk.play(calls({ name: "ask_helper", arguments: {} }), says("done"));
    const agent = createAgent({
      model: desk.model(),
      tools: [askHelper],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    await agent.invoke(USER);
    expect(desk.provider.requests).toHaveLength(2);
    expect(toolResultsSent(desk)[0]).toContain('"model":"gpt-4o-mini"');
  });

  it("decides each call once where an inner agent has the same guard", async () => {
    const { note, runs } = recordedTools();
    const guard = hopguardMiddleware(session, TOOLSET);
    const helper = createAgent({ model: desk.model(), tools: [note], middleware: [guard] });
    const askHelper = tool(async () => (await helper.invoke(USER)).messages.at(-1)?.content, {
      name: "ask_helper",
      description: "Asks the helper.",
      schema: z.object({}),
    });
    desk.play(
      calls({ name: "ask_helper", arguments: {} }),
      calls({ name: "note", arguments: { text: "x" } }),
    );
    await createAgent({ model: desk.model(), tools: [askHelper], middleware: [guard] }).invoke(USER);
    expect(runs).toHaveLength(1);
    const decided = desk.records.filter(({ flags }) => flags.length === 0).map(({ hop }) => hop.action);
    expect(decided.filter((action) => action === "tools/call/note")).toHaveLength(1);
    expect(decided.filter((action) => action === "completion")).toHaveLength(4);
  });

  it("runs nothing while the PDP is down", async () => {
    const { note, runs } = recordedTools();
    const down = await desk.session("analyst", { pdp: cerbos("http://127.0.0.1:9", { timeoutMs: 500 }) });
    desk.play(calls({ name: "note", arguments: { text: "a" } }));
    const agent = createAgent({
      model: desk.model(),
      tools: [note],
      middleware: [hopguardMiddleware(down, TOOLSET)],
    });
    expect((await denialOf(agent.invoke(USER)))?.code).toBe("pdp_unavailable");
    expect([desk.provider.requests.length, runs.length]).toEqual([0, 0]);
  });

  it("ends a tool whose authority is withdrawn while it runs, and everything after it", async () => {
    let aborted = false;
    const slow = tool(
      (_args, config: { readonly signal?: AbortSignal }) =>
        new Promise<string>((resolve) => {
          config.signal?.addEventListener("abort", () => {
            aborted = true;
            resolve("too late");
          });
          void desk.guard.revoke({ session: own.id });
        }),
      { name: "slow", description: "Takes its time.", schema: z.object({}) },
    );
    const own = await desk.session("analyst");
    desk.play(calls({ name: "slow", arguments: {} }), says("never"));
    const agent = createAgent({
      model: desk.model(),
      tools: [slow],
      middleware: [hopguardMiddleware(own, TOOLSET)],
    });
    expect((await denialOf(agent.invoke(USER)))?.code).toBe("revoked");
    expect(aborted).toBe(true);
    expect(desk.provider.requests).toHaveLength(1);
  });

  it("pauses for a step-up, and does what the policy says when it goes on, whatever it is told", async () => {
    const { refund, note, runs } = recordedTools();
    desk.play(
      calls(
        { name: "refund", arguments: { amount_cents: 900_000 } },
        { name: "note", arguments: { text: "once" } },
      ),
      says("not approved"),
    );
    const guard = hopguardMiddleware(session, { ...TOOLSET, stepUp: "interrupt" });
    const agent = createAgent({
      model: desk.model(),
      tools: [refund, note],
      middleware: [guard],
      checkpointer: new MemorySaver(),
    });
    const thread = { configurable: { thread_id: "t-1" } };
    const paused = await agent.invoke(USER, thread);
    const { __interrupt__: interrupts } = paused as {
      readonly __interrupt__?: readonly { readonly value: unknown }[];
    };
    expect(interrupts).toMatchObject([
      { value: { tool: "refund", denial: { remediation: { approvers_role: "lead" } } } },
    ]);
    const asked = (): number =>
      desk.records.filter(({ hop, flags }) => hop.action.endsWith("refund") && flags.length === 0).length;
    expect(asked()).toBe(1);
    const { messages } = await agent.invoke(new Command({ resume: { approved: true } }), thread);
    expect(asked()).toBe(2);
    expect(runs).toEqual([{ tool: "note", args: { text: "once" } }]);
    expect(messages.filter(isToolMessage).find(({ name }) => name === "refund")?.status).toBe("error");
  });

  it("runs the call once the policy allows it after the pause", async () => {
    const { refund, runs } = recordedTools();
    let isApproved = false;
    const approvals: Guardrail = {
      name: "approvals",
      applies: ({ action }) => action === "tools/call/refund",
      check: () =>
        isApproved
          ? { facts: { approved: true } }
          : {
              deny: { reason: "must be approved", remediation: { type: "step_up", approvers_role: "lead" } },
            },
    };
    const own = await desk.session("analyst", { guard: { guardrails: [approvals] } });
    desk.play(calls({ name: "refund", arguments: { amount_cents: 100 } }), says("done"));
    const guard = hopguardMiddleware(own, { ...TOOLSET, stepUp: "interrupt" });
    const agent = createAgent({
      model: desk.model(),
      tools: [refund],
      middleware: [guard],
      checkpointer: new MemorySaver(),
    });
    const thread = { configurable: { thread_id: "t-2" } };
    await agent.invoke(USER, thread);
    expect(runs).toEqual([]);
    isApproved = true;
    await agent.invoke(new Command({ resume: "go on" }), thread);
    expect(runs).toEqual([{ tool: "refund", args: { amount_cents: 100 } }]);
  });

  it("counts what the model says that it has used", async () => {
    const used: number[] = [];
    const pdp = stubPdp({
      rules: [
        ({ resource }) => {
          used.push(
            (resource.attr as { context: { usage: { session: { tokens: number } } } }).context.usage.session
              .tokens,
          );
          return true;
        },
      ],
    });
    const own = await desk.session("analyst", { pdp, guard: { usage: {} } });
    desk.play(() => ({ text: "Hello.", usage: { input: 70, output: 30 } }));
    const agent = createAgent({
      model: desk.model(),
      tools: [],
      middleware: [hopguardMiddleware(own, TOOLSET)],
    });
    await agent.invoke(USER);
    await agent.invoke(USER);
    const [reserved = 0, second] = used;
    expect(second).toBe(100 + reserved);
  });

  it("reads the model that an agent is told to use by name", async () => {
    const before = process.env.OPENAI_API_KEY;
    process.env.OPENAI_API_KEY = "none";
    try {
      const agent = createAgent({
        model: "openai:gpt-4o",
        tools: [],
        middleware: [hopguardMiddleware(session, TOOLSET)],
      });
      expect((await denialOf(agent.invoke(USER)))?.hop.name).toBe("gpt-4o");
    } finally {
      if (before === undefined) delete process.env.OPENAI_API_KEY;
      else process.env.OPENAI_API_KEY = before;
    }
  });

  it("denies a tool that runs at the provider", async () => {
    const agent = createAgent({
      model: desk.model(),
      tools: [{ type: "web_search" }],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    expect(await denialOf(agent.invoke(USER))).toMatchObject({ hop: { action: "hosted_tools/web_search" } });
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("denies a tool that runs at the provider and is declared by the model's own settings", async () => {
    const agent = createAgent({
      model: desk.model("gpt-4o-mini", { modelKwargs: { tools: [{ type: "web_search" }] } }),
      tools: [],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    expect(await denialOf(agent.invoke(USER))).toMatchObject({ hop: { action: "hosted_tools/web_search" } });
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("leaves models that other middleware calls to a handler of their own", async () => {
    const { note } = recordedTools();
    desk.play(calls({ name: "note", arguments: { text: "a" } }));
    const handler = new HopguardCallbackHandler(session, { ...TOOLSET, toolCalls: "pass" });
    const large = () => desk.model("gpt-4o", { callbacks: [handler] });
    const model = desk.model();
    const others = [
      llmToolSelectorMiddleware({ model: large() } as never),
      toolEmulatorMiddleware({ model: large() }),
    ];
    for (const other of others) {
      const middleware = [other as never, hopguardMiddleware(session, TOOLSET)];
      const denial = await denialOf(createAgent({ model, tools: [note], middleware }).invoke(USER));
      expect(denial).toMatchObject({ hop: { name: "gpt-4o" } });
    }
    expect(desk.provider.requests.map(({ body }) => (body as { model: string }).model)).toEqual([
      "gpt-4o-mini",
    ]);
  });

  it("decides each call once beside a handler of the same session", async () => {
    const { note } = recordedTools();
    desk.play(calls({ name: "note", arguments: { text: "a" } }));
    const agent = createAgent({
      model: desk.model(),
      tools: [note],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    await agent.invoke(USER, { callbacks: [new HopguardCallbackHandler(session, TOOLSET)] });
    const decided = desk.records.filter(({ flags }) => flags.length === 0).map(({ hop }) => hop.action);
    expect(decided).toEqual(["completion", "tools/call/note", "completion"]);
  });

  it("denies a model that does not say what it calls", async () => {
    const asked: unknown[] = [];
    const model = Object.assign(desk.model(), { invocationParams: undefined });
    const opaque = RunnableLambda.from((messages: BaseMessage[]) => {
      asked.push(messages);
      return new AIMessage("said");
    });
    const swap = createMiddleware({
      name: "swap",
      wrapModelCall: (request, handler) =>
        handler({ ...request, model: Object.assign(opaque, { bindTools: () => opaque }) as never }),
    });
    for (const [chosen, before] of [
      [model, []],
      [desk.model(), [swap]],
    ] as const) {
      const agent = createAgent({
        model: chosen,
        tools: [],
        middleware: [...before, hopguardMiddleware(session, TOOLSET)],
      });
      const callbacks = [new HopguardCallbackHandler(session, TOOLSET)];
      expect((await denialOf(agent.invoke(USER)))?.code).toBe("unsupported_hop");
      expect((await denialOf(agent.invoke(USER, { callbacks })))?.code).toBe("unsupported_hop");
    }
    expect([asked.length, desk.provider.requests.length]).toEqual([0, 0]);
  });

  it("decides a call once where the tool is guarded itself", async () => {
    const { note, runs } = recordedTools();
    const tools = guardLangChainTools([note], session, TOOLSET);
    desk.play(calls({ name: "note", arguments: { text: "a" } }));
    await createAgent({
      model: desk.model(),
      tools,
      middleware: [hopguardMiddleware(session, TOOLSET)],
    }).invoke(USER);
    expect(runs).toHaveLength(1);
    const decided = desk.records.filter(
      ({ hop, flags }) => hop.action === "tools/call/note" && flags.length === 0,
    );
    expect(decided).toHaveLength(1);
  });

  it("leaves a tool's own error to LangChain and its middleware", async () => {
    const broken = tool(() => Promise.reject(new Error("it broke")), {
      name: "slow",
      description: "Breaks.",
      schema: z.object({}),
    });
    const onError = (error: unknown): string => `told: ${(error as Error).message}`;
    desk.play(calls({ name: "slow", arguments: {} }), says("done"));
    const middleware = [toolErrorMiddleware({ onError }), hopguardMiddleware(session, TOOLSET)] as const;
    await createAgent({ model: desk.model(), tools: [broken], middleware }).invoke(USER);
    expect(toolResultsSent(desk)).toEqual(["told: it broke"]);
  });

  it("takes its principal from the session, whatever context and state say", async () => {
    const { secret, runs } = recordedTools();
    desk.play(calls({ name: "secret", arguments: { principal: "admin", session: "other" } }));
    const agent = createAgent({
      model: desk.model(),
      tools: [secret],
      middleware: [hopguardMiddleware(session, TOOLSET)],
    });
    await agent.invoke(USER, { configurable: { principal: "admin", user_id: "root", session: "other" } });
    expect(runs).toEqual([]);
    expect(new Set(desk.records.map(({ subject }) => subject.id))).toEqual(new Set(["analyst-id"]));
  });

  it("refuses wrong options by name", () => {
    expect(() => hopguardMiddleware(session, {})).toThrow(/toolset/);
    expect(() => hopguardMiddleware(session, { toolset: "Desk-1" })).toThrow(/hopguardMiddleware.toolset/);
    expect(() => hopguardMiddleware(session, { toolset: "desk", stepup: "interrupt" } as never)).toThrow(
      /stepup/,
    );
    const owned = (origin: object) => () =>
      hopguardMiddleware(session, { tools: { refund: origin as never } });
    expect(owned({ server: "pay-roll" })).toThrow(
      "hopguardMiddleware.tools.refund.server: expected a name of a-z, 0-9 and _",
    );
    expect(owned({ toolset: "desk", schema: z.object({}) })).toThrow(
      /tools\.refund\.schema: expected a JSON Schema/,
    );
    expect(() => hopguardMiddleware({} as Session, TOOLSET)).toThrow(/session/);
  });
});
