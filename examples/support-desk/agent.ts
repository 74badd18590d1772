import type Anthropic from "@anthropic-ai/sdk";
import { Client, StreamableHTTPClientTransport, type Tool } from "@modelcontextprotocol/client";
import { findDenial, type Denial, type Session, type ToolEffect } from "hopguard";
import { guardAnthropic } from "hopguard/anthropic";
import { guardTransport } from "hopguard/mcp";
import { guardOpenAI, type ToolOrigin } from "hopguard/openai";
import type OpenAI from "openai";
import type { ServerName, SupportDesk } from "./desk";
import { anthropicClient, openaiClient } from "./models";

/** More turns than any task of the desk needs. */
const MAX_TURNS = 8;

/** What the tools do, as the desk's operator sees it. */
const EFFECTS: Readonly<Record<string, Readonly<Record<string, ToolEffect>>>> = {
  payments: { refund_issue: "destructive" },
};

/** An ordinary agent: it opens MCP servers, offers their tools to a model, and runs what the model calls until it has finished. */
export class Agent {
  /** By the name that the model sees. */
  readonly #tools = new Map<
    string,
    { readonly server: ServerName; readonly client: Client; readonly tool: Tool }
  >();
  readonly #clients: Client[] = [];
  /** Guarded, as is everything that an agent has in its hands. */
  readonly openai: OpenAI;
  readonly anthropic: Anthropic;

  /**
   * With `answers: "pass"` a call is decided when the agent makes it, and the model reads a denial as the call's result and works on. With `"check"`,
   * which is the guard's default, a denied call is taken out of the model's answer, and the agent never sees it.
   */
  constructor(
    private readonly desk: SupportDesk,
    private readonly session: Session,
    answers: "pass" | "check" = "pass",
  ) {
    const tools = (name: string): ToolOrigin | undefined => this.#origin(name);
    this.openai = guardOpenAI(openaiClient(desk), session, { tools, answers });
    this.anthropic = guardAnthropic(anthropicClient(desk), session, { tools, answers });
  }

  get toolNames(): readonly string[] {
    return [...this.#tools.keys()];
  }

  /** Opens a server and lists its tools. Answers with the denial if it may not be opened. */
  async open(server: ServerName): Promise<Denial | undefined> {
    const client = new Client({ name: this.session.agent, version: "1.0.0" });
    const transport = new StreamableHTTPClientTransport(new URL(this.desk.servers[server].url));
    const effects = EFFECTS[server] ?? {};
    try {
      await client.connect(guardTransport(transport, this.session, { server, effects }));
      this.#clients.push(client);
      for (const tool of (await client.listTools()).tools)
        this.#tools.set(tool.name, { server, client, tool });
      return undefined;
    } catch (error) {
      const denial = findDenial(error);
      if (!denial) throw error;
      return denial;
    }
  }

  /** Runs a tool as the model asked for it; a denial is a result that the model can read. */
  async call(name: string, args: unknown): Promise<string> {
    const known = this.#tools.get(name);
    if (!known) return `There is no tool ${name}.`;
    const result = await known.client.callTool({ name, arguments: args as Record<string, unknown> });
    return result.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
  }

  /** Works on a task with a model of OpenAI's; with `OPENAI_API_KEY` set, the real one. */
  async workWithOpenAI(model: string, task: string): Promise<string> {
    const tools = [...this.#tools.values()].map(({ tool }) => ({
      type: "function" as const,
      function: { name: tool.name, description: tool.description ?? "", parameters: tool.inputSchema },
    }));
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: task }];
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const { choices } = await this.openai.chat.completions.create({
        model,
        messages,
        ...(tools.length > 0 && { tools }),
      });
      const message = choices[0]?.message;
      if (!message?.tool_calls) return message?.content ?? "";
      messages.push(message);
      const results = message.tool_calls.map(async (call) => ({
        role: "tool" as const,
        tool_call_id: call.id,
        content:
          call.type === "function"
            ? await this.call(call.function.name, JSON.parse(call.function.arguments))
            : "",
      }));
      messages.push(...(await Promise.all(results)));
    }
    throw new Error("the model did not come to an end");
  }

  /** The same with a model of Anthropic's, streamed; with `ANTHROPIC_API_KEY` set, the real one. */
  async workWithAnthropic(model: string, task: string): Promise<string> {
    const tools = [...this.#tools.values()].map(({ tool }) => ({
      name: tool.name,
      description: tool.description ?? "",
      input_schema: tool.inputSchema as Anthropic.Tool.InputSchema,
    }));
    const messages: Anthropic.MessageParam[] = [{ role: "user", content: task }];
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const message = await this.anthropic.messages
        .stream({ model, max_tokens: 1024, messages, tools })
        .finalMessage();
      const calls = message.content.filter((block) => block.type === "tool_use");
      if (calls.length === 0)
        return message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
      messages.push({ role: "assistant", content: message.content });
      const results = calls.map(async ({ id, name, input }) => ({
        type: "tool_result" as const,
        tool_use_id: id,
        content: await this.call(name, input),
      }));
      messages.push({ role: "user", content: await Promise.all(results) });
    }
    throw new Error("the model did not come to an end");
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  #origin(name: string): ToolOrigin | undefined {
    const known = this.#tools.get(name);
    if (!known) return undefined;
    const effect = EFFECTS[known.server]?.[name];
    return { server: known.server, ...(effect && { effect }) };
  }
}
