import Anthropic from "@anthropic-ai/sdk";
import type { Denial, Session } from "hopguard";
import { guardQueryOptions } from "hopguard/claude-agent";
import { adapterConformance, type AdapterUnderTest, type ConformanceTarget } from "hopguard/testing";
import { describe, it } from "vitest";
import { startLocalProvider, type Turn, type TurnRequest } from "../../examples/shared/local-provider";
import { claudeLines, openWorkplace, type ClaudeLine } from "../support/claude-agent";
import { rawText, rawTool, startRawMcpServer } from "../support/raw-mcp-server";

function conforms(name: string, adapter: AdapterUnderTest): void {
  describe(`${name} keeps every adapter's promises`, () => {
    for (const promise of adapterConformance(adapter)) it(promise.name, promise.run, 60_000);
  });
}

const schema = {
  type: "object",
  properties: { note: { type: "string" } },
  required: ["note"],
  additionalProperties: false,
};

interface Call {
  readonly name: string;
  readonly args: { readonly note: string };
  readonly resolve: (outcome: unknown) => void;
}

/** A model that makes the given calls in one turn, and then ends. */
const calling =
  (calls: readonly Call[]) =>
  ({ tools, toolResults }: TurnRequest): Turn =>
    tools.length === 0 || toolResults.length > 0
      ? { text: "Done." }
      : { toolCalls: calls.map(({ name, args }) => ({ name: `mcp__lab__${name}`, arguments: args })) };

/** The tools of an MCP server, called by the real `claude`. What is called together is one turn of its model. */
async function openTools(line: ClaudeLine, session: Session): Promise<ConformanceTarget> {
  let due: Call[] = [];
  let playing: readonly Call[] = [];
  const provider = await startLocalProvider({ turn: (request) => calling(playing)(request) });
  const names = ["lookup", "erase", "constructor", "toString", "__proto__"];
  const server = await startRawMcpServer(({ method }) =>
    method === "tools/list"
      ? { tools: names.map((name) => rawTool(name, { inputSchema: schema })) }
      : rawText("done"),
  );
  const reached = () => server.requests.filter(({ method }) => method === "tools/call");
  const mcpServers = { lab: { type: "http", url: server.url } };

  // Opened before the suite disturbs anything, so that what it disturbs is the decision on the tool.
  const place = await openWorkplace(provider);
  let denials: Denial[] = [];
  const guarded = await guardQueryOptions(
    {
      ...{ cwd: place.cwd, env: place.env, mcpServers, model: "claude-haiku-5-5", maxTurns: 3 },
      allowedTools: names.map((name) => `mcp__lab__${name}`),
    },
    session,
    {
      models: "unguarded",
      tools: (name) => (name.startsWith("mcp__lab__") ? { server: "lab", schema } : undefined),
      onDenial: (denial) => denials.push(denial),
    },
  );

  const play = async (calls: readonly Call[], signal?: AbortSignal): Promise<void> => {
    playing = calls;
    denials = [];
    signal?.addEventListener("abort", () => guarded.options.abortController.abort());
    try {
      for await (const _ of line.query({ prompt: "Work.", options: guarded.options }));
    } catch (error) {
      if (!signal?.aborted) throw error;
    }
    for (const { name, resolve } of calls) {
      const index = denials.findIndex(({ hop }) => hop.action === `tools/call/${name}`);
      resolve(index < 0 ? "done" : denials.splice(index, 1)[0]);
    }
  };

  return {
    call: (name, args, options) =>
      new Promise((resolve, reject) => {
        if (due.push({ name, args, resolve }) > 1) return;
        setTimeout(() => {
          const calls = due;
          due = [];
          play(calls, options?.signal).catch(reject);
        });
      }),
    reached: () => reached().length,
    lastArguments: () => reached().at(-1)?.arguments,
    close: async () => {
      await guarded.close();
      await Promise.all([provider.stop(), server.stop(), place[Symbol.asyncDispose]()]);
    },
  };
}

for (const line of claudeLines) {
  conforms(`guardQueryOptions of ${line.line}, for tools,`, {
    allowed: "lookup",
    denied: "erase",
    isPreparation: (action) => action === "initialize",
    open: (session) => openTools(line, session),
  });
}

conforms("the door for model calls", {
  allowed: "claude-haiku-5-5",
  denied: "claude-opus-5",
  async open(session) {
    const provider = await startLocalProvider();
    const place = await openWorkplace(provider);
    const { options, close } = await guardQueryOptions({ env: place.env }, session);
    const client = new Anthropic({
      apiKey: options.env.ANTHROPIC_API_KEY ?? "",
      baseURL: options.env.ANTHROPIC_BASE_URL ?? "",
      defaultHeaders: { "user-agent": "claude-cli/2.1.330 (external, sdk-ts)" },
    });
    const user = (content: string) => [{ role: "user" as const, content }];
    return {
      call: (model, { note }, more) =>
        client.messages.create({ model, max_tokens: 9, messages: user(note) }, more),
      stream: async (model) => {
        for await (const _ of client.messages.stream({ model, max_tokens: 9, messages: user("x") }));
      },
      reached: () => provider.requests.length,
      close: async () => {
        await Promise.all([close(), provider.stop(), place[Symbol.asyncDispose]()]);
      },
    };
  },
});
