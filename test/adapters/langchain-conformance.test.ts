import type { BaseMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { parseDenial } from "hopguard";
import { guardLangChainTools, HopguardCallbackHandler, hopguardMiddleware } from "hopguard/langchain";
import { adapterConformance, type AdapterUnderTest } from "hopguard/testing";
import { createAgent } from "langchain";
import { describe, it } from "vitest";
import { z } from "zod";
import {
  startLocalProvider,
  type LocalProvider,
  type TurnRequest,
} from "../../examples/shared/local-provider";

function conforms(name: string, adapter: AdapterUnderTest): void {
  describe(`${name} keeps every adapter's promises`, () => {
    for (const promise of adapterConformance(adapter)) it(promise.name, promise.run);
  });
}

const MODELS = { allowed: "gpt-4o-mini", denied: "gpt-4o" };
const TOOLS = { allowed: "lookup", denied: "erase" };
const NAMES = ["lookup", "erase", "constructor", "toString", "__proto__"];
const modelOf = (provider: LocalProvider, model: string): ChatOpenAI =>
  new ChatOpenAI({
    model,
    apiKey: "none",
    maxRetries: 0,
    configuration: { baseURL: provider.openaiBaseURL },
  });
async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

/** Tools of all names, and what they were run with. */
function labTools() {
  const runs: unknown[] = [];
  const schema = z.strictObject({ note: z.string() });
  const tools = NAMES.map((name) =>
    tool((args) => `done ${runs.push(args)}`, {
      name,
      description: "A tool of the lab.",
      schema,
      // An agent ends with it, without another turn of the model.
      returnDirect: true,
    }),
  );
  return { tools, runs, named: (name: string) => tools[NAMES.indexOf(name)] };
}

conforms("HopguardCallbackHandler on a model", {
  ...MODELS,
  async open(session) {
    const provider = await startLocalProvider();
    const callbacks = [new HopguardCallbackHandler(session, { toolset: "lab" })];
    return {
      call: (model, { note }, options) => modelOf(provider, model).invoke(note, { ...options, callbacks }),
      stream: async (model) => drain(await modelOf(provider, model).stream("hi", { callbacks })),
      derive: () => ({
        call: (model) => modelOf(provider, model).withConfig({ callbacks }).invoke("hi"),
        reached: () => provider.requests.length,
        close: () => Promise.resolve(),
      }),
      reached: () => provider.requests.length,
      close: () => provider.stop(),
    };
  },
});

conforms("HopguardCallbackHandler on tools", {
  ...TOOLS,
  open(session) {
    const { runs, named } = labTools();
    const callbacks = [new HopguardCallbackHandler(session, { toolset: "lab", untyped: "allow" })];
    return Promise.resolve({
      call: async (name, args, options) => named(name)?.invoke(args, { ...options, callbacks }),
      // No `lastArguments`: LangChain parses them, and tells its handlers later what they were then.
      reached: () => runs.length,
      close: () => Promise.resolve(),
    });
  },
});

conforms("guardLangChainTools", {
  ...TOOLS,
  open(session) {
    const { tools, runs } = labTools();
    const guarded = guardLangChainTools(tools, session, { toolset: "lab" });
    return Promise.resolve({
      call: async (name, args, options) => guarded[NAMES.indexOf(name)]?.invoke(args, options),
      derive: () => ({
        call: async (name, args) => guarded[NAMES.indexOf(name)]?.withConfig({ tags: ["mine"] }).invoke(args),
        reached: () => runs.length,
        close: () => Promise.resolve(),
      }),
      reached: () => runs.length,
      lastArguments: () => runs.at(-1),
      close: () => Promise.resolve(),
    });
  },
});

conforms("hopguardMiddleware on models", {
  ...MODELS,
  async open(session) {
    const provider = await startLocalProvider();
    const middleware = [hopguardMiddleware(session, { toolset: "lab" })];
    const agentOf = (model: string) =>
      createAgent({ model: modelOf(provider, model), tools: [], middleware });
    const input = (content: string) => ({ messages: [{ role: "user", content }] });
    return {
      call: (model, { note }, options) => agentOf(model).invoke(input(note), options),
      stream: async (model) => drain(await agentOf(model).stream(input("hi"), { streamMode: "messages" })),
      reached: () => provider.requests.length,
      close: () => provider.stop(),
    };
  },
});

conforms("hopguardMiddleware on tools", {
  ...TOOLS,
  isPreparation: (action) => action === "completion",
  async open(session) {
    // The model calls what it is told to, once.
    const provider = await startLocalProvider({
      turn: ({ body, toolResults }: TurnRequest) => {
        if (toolResults.length > 0) return { text: "done" };
        const [{ content }] = body.messages as [{ readonly content: string }];
        const { name, args } = JSON.parse(content) as { readonly name: string; readonly args: unknown };
        return { toolCalls: [{ name, arguments: args }] };
      },
    });
    const { tools, runs } = labTools();
    const middleware = [hopguardMiddleware(session, { toolset: "lab" })];
    const agent = createAgent({ model: modelOf(provider, "gpt-4o-mini"), tools, middleware });
    return {
      call: async (name, args, options) => {
        const content = JSON.stringify({ name, args });
        const { messages } = await agent.invoke({ messages: [{ role: "user", content }] }, options);
        return denialIn(messages) ?? messages;
      },
      reached: () => runs.length,
      lastArguments: () => runs.at(-1),
      close: () => provider.stop(),
    };
  },
});

function denialIn(messages: readonly BaseMessage[]): unknown {
  const results = messages.filter((message): message is ToolMessage => message.type === "tool");
  return results.map(({ artifact }) => parseDenial(artifact)).find((denial) => denial !== undefined);
}
