import { guardFetch } from "hopguard/fetch";
import { guardProvider, guardTools, hopguardMiddleware } from "hopguard/ai-sdk";
import { adapterConformance, type AdapterUnderTest, type ConformanceTarget } from "hopguard/testing";
import type { LanguageModel } from "ai";
import { describe, it } from "vitest";
import { z } from "zod";
import { startLocalProvider } from "../../examples/shared/local-provider";
import { aiLines, partsOf, type AiLine } from "../support/ai-sdks";

function conforms(name: string, adapter: AdapterUnderTest): void {
  describe(`${name} keeps every adapter's promises`, () => {
    for (const promise of adapterConformance(adapter)) it(promise.name, promise.run);
  });
}

/** How a model is guarded: it is made with the guard, or wrapped in it. */
type Guarding = (
  line: AiLine,
  session: Parameters<AdapterUnderTest["open"]>[0],
  baseURL: string,
) => (model: string) => LanguageModel;

const guardings: Readonly<Record<string, Guarding>> = {
  hopguardMiddleware:
    ({ ai, createOpenAI }, session, baseURL) =>
    (model) =>
      ai.wrapLanguageModel({
        model: createOpenAI({ apiKey: "none", baseURL }).chat(model),
        middleware: hopguardMiddleware(session),
      }),
  guardProvider: ({ createOpenAI }, session, baseURL) => {
    const provider = guardProvider(createOpenAI({ apiKey: "none", baseURL }), session);
    return (model) => provider.chat(model);
  },
  "guardFetch as the provider's fetch": ({ createOpenAI }, session, baseURL) => {
    const provider = createOpenAI({ apiKey: "none", baseURL, fetch: guardFetch(session, { baseURL }) });
    return (model) => provider.chat(model);
  },
};

for (const line of aiLines) {
  const { ai } = line;
  for (const [guarding, guarded] of Object.entries(guardings)) {
    conforms(`${guarding} under ${line.line}`, {
      ...{ allowed: "gpt-4o-mini", denied: "gpt-4o" },
      async open(session): Promise<ConformanceTarget> {
        const provider = await startLocalProvider();
        const modelOf = guarded(line, session, provider.openaiBaseURL);
        return {
          call: (model, { note: prompt }, options) =>
            ai.generateText({
              ...{ model: modelOf(model), prompt },
              ...(options && { abortSignal: options.signal }),
            }),
          stream: async (model) => {
            const result = ai.streamText({
              ...{ model: modelOf(model), prompt: "Hello", onError: () => undefined },
            });
            for await (const part of partsOf(result)) if (part.type === "error") throw part.error;
          },
          // A model is a client of its own.
          derive: () => ({
            ...{ call: (model, { note: prompt }) => ai.generateText({ model: modelOf(model), prompt }) },
            ...{ reached: () => provider.requests.length, close: () => Promise.resolve() },
          }),
          reached: () => provider.requests.length,
          close: () => provider.stop(),
        };
      },
    });
  }

  conforms(`guardTools under ${line.line}`, {
    allowed: "lookup",
    denied: "erase",
    async open(session) {
      const calls: unknown[] = [];
      const tool = ai.tool({
        inputSchema: z.strictObject({ note: z.string() }),
        execute: (input) => {
          calls.push(input);
          return "done";
        },
      });
      const names = ["lookup", "erase", "constructor", "toString", "__proto__"];
      // Own members, whatever their names.
      const tools = Object.fromEntries(names.map((name) => [name, tool]));
      const guarded = guardTools(tools, session, { toolset: "lab" });
      return Promise.resolve({
        call: async (name, args, options) => {
          const own = Object.getOwnPropertyDescriptor(guarded, name)?.value as typeof tool;
          const given = {
            toolCallId: "call_1",
            messages: [],
            ...(options && { abortSignal: options.signal }),
          };
          return own.execute(args, given as never);
        },
        reached: () => calls.length,
        lastArguments: () => calls.at(-1),
        close: () => Promise.resolve(),
      });
    },
  });
}
