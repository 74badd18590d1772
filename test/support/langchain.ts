import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import type { ToolCall, Turn, TurnRequest } from "../../examples/shared/local-provider";
import { openDesk, type Desk } from "./desk";
import type { Policy, Rule } from "./policies";

const allow = (actions: readonly string[], expr?: string, conditionNotMet?: string): Rule => ({
  actions,
  effect: "EFFECT_ALLOW",
  roles: ["analyst"],
  ...(expr !== undefined && { condition: { match: { expr } } }),
  ...(conditionNotMet !== undefined && { output: { when: { conditionNotMet } } }),
});

const USE_MINI = `{"reason": "too large a model", "remediation": {"type": "use_model", "model": "gpt-4o-mini"}}`;
const STEP_UP = `{"reason": "above the cap", "remediation": {"type": "step_up", "approvers_role": "lead"}}`;

/** One model, a toolset with a tool for each fate, and an MCP server. */
export const policies: readonly Policy[] = [
  {
    kind: "llm_model",
    rules: [
      allow(["completion"], `R.id == "gpt-4o-mini"`, USE_MINI),
      allow(["hosted_tools/web_search"], `R.id == "nothing"`),
    ],
  },
  {
    kind: "tool_desk",
    rules: [
      allow(["tools/call/note", "tools/call/ask_helper", "tools/call/slow", "tools/call/charge"]),
      allow(["tools/call/refund"], "R.attr.arguments.amount_cents <= 5000.0", STEP_UP),
    ],
  },
  { kind: "mcp_payments", rules: [allow(["initialize", "tools/list", "tools/call/balance_get"])] },
];

/** What the model does, turn by turn, whatever it is told. */
export type Script = readonly ((request: TurnRequest) => Turn)[];

export const calls = (...toolCalls: readonly ToolCall[]): (() => Turn) => {
  return () => ({ toolCalls });
};
export const says = (text: string): (() => Turn) => {
  return () => ({ text });
};

export interface LangChainDesk extends Desk {
  /** What the model does from now on. */
  play(...script: Script): void;
  model(name?: string, fields?: ConstructorParameters<typeof ChatOpenAI>[0]): ChatOpenAI;
}

/** A desk with a model whose turns a test writes. */
export async function openLangChainDesk(): Promise<LangChainDesk> {
  let script: Script = [];
  let played = 0;
  const turn = (request: TurnRequest): Turn => script[played++]?.(request) ?? { text: "That is all." };
  const desk = await openDesk({ policies, provider: { turn } });
  return Object.assign(Object.create(desk) as Desk, {
    play: (...next: Script) => {
      script = next;
      played = 0;
    },
    model: (name = "gpt-4o-mini", fields: ConstructorParameters<typeof ChatOpenAI>[0] = {}) =>
      new ChatOpenAI({
        model: name,
        apiKey: "none",
        maxRetries: 0,
        ...fields,
        configuration: { baseURL: desk.provider.openaiBaseURL, ...fields.configuration },
      }),
  });
}

/** Tools that remember what they were run with. */
export function recordedTools() {
  const runs: { readonly tool: string; readonly args: unknown }[] = [];
  const recorded = <S extends z.ZodObject>(name: string, schema: S) =>
    tool(
      (args: unknown) => {
        runs.push({ tool: name, args });
        return `${name} is done`;
      },
      { name, description: `Does ${name}.`, schema },
    );
  return {
    runs,
    note: recorded("note", z.object({ text: z.string() })),
    refund: recorded("refund", z.object({ amount_cents: z.number().int() })),
    secret: recorded("secret", z.object({})),
  };
}

/** The text of the tool results in the last request that reached the provider. */
export function toolResultsSent(desk: Desk): readonly string[] {
  const { messages = [] } = (desk.provider.requests.at(-1)?.body ?? {}) as {
    readonly messages?: readonly { readonly role: string; readonly content: unknown }[];
  };
  return messages.filter(({ role }) => role === "tool").map(({ content }) => String(content));
}
