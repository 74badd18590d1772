import { BaseCallbackHandler } from "@langchain/core/callbacks/base";
import type { BaseCallbackConfig } from "@langchain/core/callbacks/manager";
import { HumanMessage } from "@langchain/core/messages";
import { StructuredTool, tool } from "@langchain/core/tools";
import { MessagesAnnotation, StateGraph } from "@langchain/langgraph";
import { ToolNode, toolsCondition } from "@langchain/langgraph/prebuilt";
import { ConfigurationError, findDenial, type Session } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { guardFetch } from "hopguard/fetch";
import { HopguardCallbackHandler } from "hopguard/langchain";
import { OpenAI } from "@langchain/openai";
import { createAgent } from "langchain";
import { stubPdp } from "hopguard/testing";
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
let handler: HopguardCallbackHandler;
beforeAll(async () => {
  desk = await openLangChainDesk();
});
afterAll(() => desk.close());
beforeEach(async () => {
  desk.reset();
  desk.play();
  session = await desk.session("analyst");
  handler = new HopguardCallbackHandler(session, OPTIONS);
});

const OPTIONS = { toolset: "desk", untyped: "allow" } as const;
const USER = { messages: [new HumanMessage("Go on.")] };
const denialOf = async (run: Promise<unknown>) =>
  findDenial(
    await run.then(
      () => expect.fail("it was not denied"),
      (error: unknown) => error,
    ),
  );
const drain = async (stream: AsyncIterable<unknown>): Promise<void> => {
  for await (const _ of stream);
};
const decided = (): readonly string[] =>
  desk.records
    .filter(({ flags }) => flags.length === 0)
    .map(({ effect, hop }) => `${effect} ${hop.name} ${hop.action}`);

describe("HopguardCallbackHandler", () => {
  it.each<
    [string, (model: ReturnType<LangChainDesk["model"]>, config: BaseCallbackConfig) => Promise<unknown>]
  >([
    ["invoke", (model, config) => model.invoke("hi", config)],
    ["stream", async (model, config) => drain(await model.stream("hi", config))],
    ["batch", (model, config) => model.batch(["hi", "ho"], config)],
    ["generate", (model, config) => model.generate([USER.messages], config)],
    [
      "streamEvents of version 2",
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- still there, and so a way round
      (model, config) => drain(model.streamEvents("hi", { ...config, version: "v2" })),
    ],
    ["a chain", (model, config) => model.pipe((message) => message).invoke("hi", config)],
    [
      "a structured output",
      (model, config) => model.withStructuredOutput(z.object({ a: z.string() })).invoke("hi", config),
    ],
    ["an agent", (model, config) => createAgent({ model, tools: [] }).invoke(USER, config)],
    [
      "an agent's stream",
      async (model, config) => drain(await createAgent({ model, tools: [] }).stream(USER, config)),
    ],
    [
      "an agent's events",
      async (model, config) =>
        drain(await createAgent({ model, tools: [] }).streamEvents(USER, { ...config, version: "v3" })),
    ],
    [
      "a fallback",
      (model, { callbacks }) =>
        desk
          .model("o-none")
          .withFallbacks([model])
          .invoke("hi", { ...(callbacks && { callbacks }) }),
    ],
    ["a graph", (model, config) => graphOf(model, []).invoke(USER, config)],
  ])("lets nothing of a denied model out of %s", async (_way, call) => {
    const denial = await denialOf(call(desk.model("gpt-4o"), { callbacks: [handler] }));
    expect(denial).toMatchObject({
      code: "policy_denied",
      remediation: { type: "use_model", model: "gpt-4o-mini" },
    });
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("lets an allowed model through, once for each call", async () => {
    await desk.model().invoke("hi", { callbacks: [handler] });
    await drain(await desk.model().stream("hi", { callbacks: [handler] }));
    await desk.model().batch(["hi", "ho"], { callbacks: [handler] });
    expect(desk.provider.requests).toHaveLength(4);
    expect(decided()).toEqual(Array(4).fill("allow gpt-4o-mini completion"));
  });

  it("decides on the model that the request names, and not on the name that tracers read", async () => {
    const disguised = desk.model("gpt-4o-mini", { modelKwargs: { model: "gpt-4o" } });
    expect((await denialOf(disguised.invoke("hi", { callbacks: [handler] })))?.hop.name).toBe("gpt-4o");
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("decides each hosted tool that a model is bound to", async () => {
    const bound = desk.model().bindTools([{ type: "web_search" }]);
    const denial = await denialOf(bound.invoke("hi", { callbacks: [handler] }));
    expect(denial?.hop.action).toBe("hosted_tools/web_search");
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("decides models that take a prompt, each prompt once", async () => {
    const fields = { apiKey: "none", maxRetries: 0, configuration: { baseURL: desk.provider.openaiBaseURL } };
    const llm = new OpenAI({ ...fields, model: "gpt-3.5-turbo-instruct", callbacks: [handler] });
    expect((await denialOf(llm.generate(["hi", "ho"], { callbacks: [handler] })))?.code).toBe(
      "policy_denied",
    );
    expect(desk.provider.requests).toHaveLength(0);
    const twice = Array(2).fill("deny gpt-3.5-turbo-instruct completion");
    // LangChain waits for the first denial, and not for the second.
    await expect.poll(() => decided()).toEqual(twice);
  });

  it("counts what a model says that it has used", async () => {
    const used: unknown[] = [];
    const pdp = stubPdp({
      rules: [
        ({ resource }) => {
          used.push((resource.attr as { context: { usage: { session: unknown } } }).context.usage.session);
          return true;
        },
      ],
    });
    const own = await desk.session("analyst", { pdp, guard: { usage: {} } });
    const callbacks = [new HopguardCallbackHandler(own, OPTIONS)];
    const usage = { input: 70, output: 30 };
    const turn = () => ({ text: "Hello.", usage });
    desk.play(turn, turn);
    await desk.model().invoke("hi", { callbacks });
    await drain(await desk.model().stream("hi", { callbacks }));
    await desk.model().invoke("hi", { callbacks });
    const reserved = used[0] as { readonly tokens: number };
    expect(used.slice(1)).toMatchObject([
      { tokens: 100 + reserved.tokens },
      { tokens: 200 + reserved.tokens },
    ]);
  });

  it("decides once where it is registered twice", async () => {
    await desk.model("gpt-4o-mini", { callbacks: [handler] }).invoke("hi", { callbacks: [handler] });
    const other = new HopguardCallbackHandler(session, OPTIONS);
    await desk.model("gpt-4o-mini", { callbacks: [handler] }).invoke("hi", { callbacks: [other] });
    expect(decided()).toHaveLength(2);
  });

  it("runs of a ToolNode's parallel calls those that are allowed, and the next turn reads why not the others", async () => {
    const { note, refund, secret, runs } = recordedTools();
    desk.play(
      calls(
        { name: "note", arguments: { text: "a" } },
        { name: "refund", arguments: { amount_cents: 900_000 } },
        { name: "secret", arguments: {} },
      ),
      says("done"),
    );
    await graphOf(desk.model(), [note, refund, secret]).invoke(USER, { callbacks: [handler] });
    expect(runs).toEqual([{ tool: "note", args: { text: "a" } }]);
    const [noted, refunded, hidden] = toolResultsSent(desk);
    expect(noted).toBe("note is done");
    expect(refunded).toMatch(/above the cap.*"approvers_role":"lead".*Do not retry the same call\./);
    expect(hidden).toContain("policy_denied");
  });

  it("guards what a tool uses, without being told of it again", async () => {
    const helper = createAgent({ model: desk.model("gpt-4o"), tools: [] });
    const askHelper = tool(async () => (await helper.invoke(USER)).messages.at(-1)?.text ?? "", {
      name: "ask_helper",
      description: "Asks the helper.",
      schema: z.object({}),
    });
    desk.play(calls({ name: "ask_helper", arguments: {} }), says("done"));
    await createAgent({ model: desk.model(), tools: [askHelper] }).invoke(USER, { callbacks: [handler] });
    expect(decided()).toContain("deny gpt-4o completion");
    expect(desk.provider.requests.map(({ body }) => (body as { model: string }).model)).not.toContain(
      "gpt-4o",
    );
  });

  it("shows the policy a tool's arguments as they were before the tool's schema", async () => {
    const schema = z.object({ dollars: z.number().transform((dollars) => dollars * 100) });
    const ran: unknown[] = [];
    const charge = tool((args) => void ran.push(args), { name: "charge", description: "Charges.", schema });
    const guard = desk.guardWith({ recordArguments: true });
    const own = await guard.session({ principal: { id: "a", roles: ["analyst"] }, agent: { id: "agent" } });
    await charge.invoke({ dollars: 3 }, { callbacks: [new HopguardCallbackHandler(own, OPTIONS)] });
    expect([desk.records[0]?.arguments, ran[0]]).toEqual([{ dollars: 3 }, { dollars: 300 }]);
  });

  it("denies, by name, a tool that no option knows, and one named constructor", async () => {
    const { note, runs } = recordedTools();
    const mapped = new HopguardCallbackHandler(session, { tools: { refund: { toolset: "desk" } } });
    expect((await denialOf(note.invoke({ text: "a" }, { callbacks: [mapped] })))?.reason).toContain('"note"');
    const builder = tool(() => void runs.push({ tool: "constructor", args: {} }), {
      name: "constructor",
      description: "A name.",
      schema: z.object({}),
    });
    expect((await denialOf(builder.invoke({}, { callbacks: [mapped] })))?.code).toBe("unsupported_hop");
    expect(runs).toEqual([]);
  });

  it("denies a tool whose name LangChain does not tell", async () => {
    let ran = false;
    class Refund extends StructuredTool {
      name = "refund";
      description = "Refunds.";
      schema = z.object({});
      protected _call(): Promise<string> {
        ran = true;
        return Promise.resolve("refunded");
      }
    }
    const denial = await denialOf(new Refund().invoke({}, { callbacks: [handler] }));
    expect(denial?.code).toBe("unsupported_hop");
    expect(denial?.reason).toContain("guardLangChainTools");
    expect(ran).toBe(false);
  });

  it("lets nothing out while the PDP is down", async () => {
    const down = await desk.session("analyst", { pdp: cerbos("http://127.0.0.1:9", { timeoutMs: 500 }) });
    const callbacks = [new HopguardCallbackHandler(down, OPTIONS)];
    const { note, runs } = recordedTools();
    expect((await denialOf(desk.model().invoke("hi", { callbacks })))?.code).toBe("pdp_unavailable");
    expect((await denialOf(note.invoke({ text: "a" }, { callbacks })))?.code).toBe("pdp_unavailable");
    expect([desk.provider.requests.length, runs.length]).toEqual([0, 0]);
  });

  it("ends a stream whose authority is withdrawn while it is written", async () => {
    desk.play(() => ({ text: "long ".repeat(100), deltas: 50, deltaDelayMs: 60 }));
    const stream = await desk.model().stream("write", { callbacks: [handler] });
    let isRevoked = false;
    const read = async (): Promise<void> => {
      for await (const _ of stream) {
        if (!isRevoked) await desk.guard.revoke({ session: session.id });
        isRevoked = true;
      }
    };
    expect((await denialOf(read()))?.code).toBe("revoked");
    expect((await denialOf(desk.model().invoke("hi", { callbacks: [handler] })))?.code).toBe("revoked");
    expect(desk.provider.requests).toHaveLength(1);
  });

  it("keeps the result of a tool back whose authority is withdrawn while it runs", async () => {
    const slow = tool(
      async () => {
        await desk.guard.revoke({ session: session.id });
        await new Promise((resolve) => setTimeout(resolve, 900));
        return "the secret";
      },
      { name: "slow", description: "Takes its time.", schema: z.object({}) },
    );
    expect((await denialOf(slow.invoke({}, { callbacks: [handler] })))?.code).toBe("revoked");
  });
});

describe("a HopguardCallbackHandler that would only look on", () => {
  it("cannot be extended, with class fields or without", () => {
    class Shadowing extends HopguardCallbackHandler {
      override handleToolStart = () => Promise.resolve();
    }
    expect(() => new Shadowing(session, OPTIONS)).toThrow(ConfigurationError);
  });

  it("cannot be copied, spread or made of its methods", () => {
    expect(() => BaseCallbackHandler.fromMethods(handler)).toThrow(/register the handler itself/);
    // eslint-disable-next-line @typescript-eslint/no-misused-spread -- the very mistake
    expect(() => ({ ...handler })).toThrow(/register the handler itself/);
    expect(() => Object.assign({}, handler)).toThrow(/register the handler itself/);
    expect(handler.copy()).toBe(handler);
  });

  it("cannot have its flags changed", () => {
    for (const flag of ["raiseError", "awaitHandlers", "ignoreLLM", "ignoreAgent"] as const) {
      expect(() => (handler[flag] = !handler[flag])).toThrow(TypeError);
    }
    expect(() => Object.assign(handler, { handleToolStart: () => undefined })).toThrow(TypeError);
  });

  it("decides all the same where LangChain's callbacks run in the background", async () => {
    const before = process.env.LANGCHAIN_CALLBACKS_BACKGROUND;
    process.env.LANGCHAIN_CALLBACKS_BACKGROUND = "true";
    try {
      const own = new HopguardCallbackHandler(session, OPTIONS);
      expect((await denialOf(desk.model("gpt-4o").invoke("hi", { callbacks: [own] })))?.code).toBe(
        "policy_denied",
      );
    } finally {
      if (before === undefined) delete process.env.LANGCHAIN_CALLBACKS_BACKGROUND;
      else process.env.LANGCHAIN_CALLBACKS_BACKGROUND = before;
    }
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("with single methods of it in a plain object decides nothing, and the guarded fetch denies", async () => {
    const fetch = guardFetch(session, { baseURL: desk.provider.openaiBaseURL });
    const model = desk.model("gpt-4o", { configuration: { fetch } });
    // eslint-disable-next-line @typescript-eslint/unbound-method -- the very mistake
    const methods = { handleChatModelStart: handler.handleChatModelStart };
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- LangChain takes it
    const callbacks = [methods as BaseCallbackHandler];
    expect((await denialOf(model.invoke("hi", { callbacks })))?.code).toBe("policy_denied");
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("is not told of a model's streamEvents without a version, and the guarded fetch denies", async () => {
    const fetch = guardFetch(session, { baseURL: desk.provider.openaiBaseURL });
    const model = desk.model("gpt-4o", { configuration: { fetch } });
    const events = model.streamEvents("hi", { callbacks: [handler] });
    expect((await denialOf(drain(events)))?.code).toBe("policy_denied");
    expect(desk.provider.requests).toHaveLength(0);
  });

  it("is refused with options that decide nothing", () => {
    const nothing = { ...OPTIONS, models: "pass", toolCalls: "pass" } as const;
    expect(() => new HopguardCallbackHandler(session, nothing)).toThrow(/decides nothing/);
    expect(() => new HopguardCallbackHandler(session, {})).toThrow(/toolset/);
    expect(() => new HopguardCallbackHandler(undefined as never, OPTIONS)).toThrow(/session/);
  });
});

/** An agent as LangGraph's own pages write it. */
function graphOf(
  model: ReturnType<LangChainDesk["model"]>,
  tools: ConstructorParameters<typeof ToolNode>[0],
) {
  const bound = tools.length > 0 ? model.bindTools(tools) : model;
  return new StateGraph(MessagesAnnotation)
    .addNode("agent", async ({ messages }) => ({ messages: [await bound.invoke(messages)] }))
    .addNode("tools", new ToolNode(tools))
    .addEdge("__start__", "agent")
    .addConditionalEdges("agent", toolsCondition, ["tools", "__end__"])
    .addEdge("tools", "agent")
    .compile();
}
