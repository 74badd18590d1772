import { guardAnthropic } from "hopguard/anthropic";
import { guardFetch } from "hopguard/fetch";
import { guardOpenAI } from "hopguard/openai";
import { adapterConformance, type AdapterUnderTest, type ConformanceTarget } from "hopguard/testing";
import { guardTools } from "hopguard/tools";
import type OpenAI from "openai";
import { describe, it } from "vitest";
import { z } from "zod";
import { startLocalProvider } from "../../examples/shared/local-provider";
import { MCP_CLIENTS } from "../support/mcp-clients";
import { anthropicLines, openaiLines } from "../support/model-sdks";
import { rawText, rawTool, startRawMcpServer } from "../support/raw-mcp-server";

/** The promises are the same for all; each adapter's own tests hold what is its own. */
function conforms(name: string, adapter: AdapterUnderTest): void {
  describe(`${name} keeps every adapter's promises`, () => {
    for (const promise of adapterConformance(adapter)) it(promise.name, promise.run);
  });
}

const MODELS = { allowed: "gpt-4o-mini", denied: "gpt-4o" };
const user = (content: string) => [{ role: "user" as const, content }];
/** What a stream yields is of no interest here; that it ends is. */
async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}

for (const { line, OpenAI } of openaiLines) {
  conforms(`guardOpenAI of ${line}`, {
    ...MODELS,
    async open(session) {
      const provider = await startLocalProvider();
      const target = (client: OpenAI): ConformanceTarget => ({
        call: (model, { note }, options) =>
          client.chat.completions.create({ model, messages: user(note) }, options),
        stream: async (model) =>
          drain(await client.chat.completions.create({ model, messages: [], stream: true })),
        derive: () => target(client.withOptions({ timeout: 5000, fetch })),
        reached: () => provider.requests.length,
        close: () => provider.stop(),
      });
      return target(guardOpenAI(new OpenAI({ apiKey: "none", baseURL: provider.openaiBaseURL }), session));
    },
  });
}

for (const { line, Anthropic } of anthropicLines) {
  conforms(`guardAnthropic of ${line}`, {
    ...MODELS,
    async open(session) {
      const provider = await startLocalProvider();
      const target = (client: InstanceType<typeof Anthropic>): ConformanceTarget => ({
        call: (model, { note }, options) =>
          client.messages.create({ model, max_tokens: 9, messages: user(note) }, options),
        stream: async (model) => drain(client.messages.stream({ model, max_tokens: 9, messages: [] })),
        derive: () => target(client.withOptions({ timeout: 5000, fetch })),
        reached: () => provider.requests.length,
        close: () => provider.stop(),
      });
      return target(
        guardAnthropic(new Anthropic({ apiKey: "none", baseURL: provider.anthropicBaseURL }), session),
      );
    },
  });
}

conforms("guardFetch", {
  ...MODELS,
  async open(session) {
    const provider = await startLocalProvider();
    const guarded = guardFetch(session, { baseURL: provider.openaiBaseURL });
    const post = async (body: object, signal?: AbortSignal): Promise<unknown> => {
      const init = { method: "POST", body: JSON.stringify(body), ...(signal && { signal }) };
      const response = await guarded(`${provider.openaiBaseURL}/chat/completions`, init);
      const text = await response.text();
      return text.startsWith("{") ? (JSON.parse(text) as unknown) : text;
    };
    return {
      call: (model, { note }, options) => post({ model, messages: user(note) }, options?.signal),
      stream: (model) => post({ model, messages: [], stream: true }),
      reached: () => provider.requests.length,
      close: () => provider.stop(),
    };
  },
});

for (const { name, connect, callTool } of MCP_CLIENTS) {
  conforms(`guardTransport under MCP ${name}`, {
    allowed: "lookup",
    denied: "erase",
    isPreparation: (action) => action === "initialize" || action === "tools/list",
    async open(session) {
      const inputSchema = {
        type: "object",
        properties: { note: { type: "string" } },
        additionalProperties: false,
      };
      const tools = ["lookup", "erase", "constructor"].map((tool) => rawTool(tool, { inputSchema }));
      const server = await startRawMcpServer(({ method }) =>
        method === "tools/list" ? { tools } : rawText("done"),
      );
      const client = await connect(server.url, session, { server: "lab" });
      await client.listTools();
      const calls = () => server.requests.filter(({ method }) => method === "tools/call");
      return {
        call: (tool, args, options) => callTool(client, { name: tool, arguments: args }, options),
        reached: () => calls().length,
        lastArguments: () => calls().at(-1)?.arguments,
        close: async () => {
          await client.close();
          await server.stop();
        },
      };
    },
  });
}

conforms("guardTools", {
  allowed: "lookup",
  denied: "erase",
  open(session) {
    const calls: unknown[] = [];
    const run = (args: { note: string }): string => {
      calls.push(args);
      return "done";
    };
    const inputSchema = z.strictObject({ note: z.string() });
    const tool = { inputSchema, execute: run };
    // Own members, whatever their names.
    const names = ["lookup", "erase", "constructor", "toString", "__proto__"];
    const tools = Object.fromEntries(names.map((name) => [name, { ...tool }]));
    const guarded = guardTools(tools, session, { toolset: "lab" });
    return Promise.resolve({
      call: (name, args, options) => {
        const own = Object.getOwnPropertyDescriptor(guarded, name)?.value as {
          readonly execute: (args: unknown, options?: unknown) => Promise<unknown>;
        };
        return own.execute(args, options);
      },
      reached: () => calls.length,
      lastArguments: () => calls.at(-1),
      close: () => Promise.resolve(),
    });
  },
});
