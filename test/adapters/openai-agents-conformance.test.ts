import type { Agent } from "@openai/agents";
import { adapterConformance, type AdapterUnderTest } from "hopguard/testing";
import type { SdkClient } from "../../src/adapters/shared/seal-client";
import { describe, it } from "vitest";
import { z } from "zod";
import { startLocalProvider, type Turn } from "../../examples/shared/local-provider";
import { agentsLines, type AgentsLine } from "../support/openai-agents";

function conforms(name: string, adapter: AdapterUnderTest): void {
  describe(`${name} keeps every adapter's promises`, () => {
    for (const promise of adapterConformance(adapter)) it(promise.name, promise.run);
  });
}

/** The model does what the task says. */
const asTold = ({ body }: { readonly body: Readonly<Record<string, unknown>> }): Turn => {
  const [{ content }] = body.messages as [{ readonly content: string }];
  return content.startsWith("{")
    ? { toolCalls: [JSON.parse(content)] as Turn["toolCalls"] & object }
    : { text: "Done." };
};

/** A tool in the agent's own process. */
const tools = ({ sdk, OpenAI, adapter }: AgentsLine): AdapterUnderTest => ({
  allowed: "lookup",
  denied: "erase",
  isPreparation: (action) => action === "completion",
  async open(session) {
    const provider = await startLocalProvider({ turn: asTold });
    const ran: unknown[] = [];
    const names = ["lookup", "erase", "constructor", "toString", "__proto__"];
    const agent: Agent = new sdk.Agent({
      name: "lab",
      model: "gpt-4o-mini",
      toolUseBehavior: "stop_on_first_tool",
      tools: names.map((name) =>
        sdk.tool({
          name,
          description: name,
          parameters: z.object({ note: z.string() }),
          execute: (args) => {
            ran.push(args);
            return "done";
          },
        }),
      ),
    });
    const guarded = adapter.guardAgent(agent, session, {
      models: new OpenAI({ apiKey: "none", baseURL: provider.openaiBaseURL }),
      ...{ api: "chat", toolset: "lab", stepUp: "deny" },
    });
    return {
      call: async (name, args, options) => {
        const task = JSON.stringify({ name, arguments: args });
        const { toolInputGuardrailResults } = await sdk.run(guarded, task, options ?? {});
        return toolInputGuardrailResults[0]?.output.outputInfo as unknown;
      },
      reached: () => ran.length,
      lastArguments: () => ran.at(-1),
      close: () => provider.stop(),
    };
  },
});

/** A model, of a client of `openai` or of whatever provider there is. */
const models = (
  { sdk, OpenAI, adapter }: AgentsLine,
  from: (client: InstanceType<AgentsLine["OpenAI"]>) => SdkClient | { getModel(name?: string): unknown },
): AdapterUnderTest => ({
  allowed: "gpt-4o-mini",
  denied: "gpt-4o",
  async open(session) {
    const provider = await startLocalProvider();
    const client = new OpenAI({ apiKey: "none", baseURL: provider.openaiBaseURL });
    const agentOf = (model: string): Agent =>
      adapter.guardAgent(new sdk.Agent({ name: "lab", model }), session, {
        models: from(client),
        toolset: "lab",
      });
    return {
      call: (model, { note }, options) => sdk.run(agentOf(model), note, options ?? {}),
      stream: async (model) => {
        const result = await sdk.run(agentOf(model), "note", { stream: true });
        for await (const _ of result);
        await result.completed;
      },
      reached: () => provider.requests.length,
      close: () => provider.stop(),
    };
  },
});

for (const line of await agentsLines()) {
  conforms(`a tool of ${line.line}`, tools(line));
  conforms(
    `a model of ${line.line}`,
    models(line, (client) => client),
  );
  conforms(
    `a model of another provider of ${line.line}`,
    models(line, (client) => new line.sdk.OpenAIProvider({ openAIClient: client })),
  );
}
