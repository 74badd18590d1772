import type { Session } from "hopguard";
import type { Turn, TurnRequest } from "../../examples/shared/local-provider";
import { openDesk, type Desk, type SessionChoice } from "./desk";
import type { Policy, Rule } from "./policies";

const allow = (actions: readonly string[], expr?: string, conditionNotMet?: string): Rule => ({
  actions,
  effect: "EFFECT_ALLOW",
  roles: ["analyst"],
  ...(expr !== undefined && { condition: { match: { expr } } }),
  ...(conditionNotMet !== undefined && { output: { when: { conditionNotMet } } }),
});

export const ABOVE_CAP = "refund cap exceeded";
/** Within the cap, or with a lead's approval, which is a fact that only the application can add. */
const refund = allow(
  ["tools/call/refund"],
  "R.attr.arguments.amount_cents <= 5000.0 || (has(R.attr.facts) && has(R.attr.facts.lead) && R.attr.facts.lead.approved == true)",
  `{"reason": "${ABOVE_CAP}", "remediation": {"type": "step_up", "approvers_role": "lead"}}`,
);

const usage = "R.attr.context.usage.session";
/** What the policy sees, in the output of a denial: this is how a test reads it. */
const LEDGER = `{"reason": "read", "remediation": {"type": "ledger",
  "calls": ${usage}.calls, "input": ${usage}.input_tokens, "output": ${usage}.output_tokens}}`;

const policies: readonly Policy[] = [
  {
    kind: "ledger",
    rules: [
      { actions: ["read"], effect: "EFFECT_DENY", roles: ["*"], output: { when: { ruleActivated: LEDGER } } },
    ],
  },
  {
    kind: "llm_model",
    rules: [
      allow(
        ["completion", "embedding", "image", "hosted_tools/image_generation"],
        `R.id in ["gpt-4o-mini", "text-embedding-3-small", "gpt-image-1"]`,
        `{"reason": "model not approved", "remediation": {"type": "use_model", "model": "gpt-4o-mini"}}`,
      ),
    ],
  },
  { kind: "tool_desk", rules: [allow(["tools/call/note", "tools/call/research"]), refund] },
  { kind: "mcp_payments", rules: [allow(["initialize", "tools/list"]), refund] },
];

export type Script = readonly ((request: TurnRequest) => Turn)[];

/** A desk whose model plays what a test tells it. */
export interface AiLab extends Desk {
  /** What the model does from now on, turn by turn; then it says that it has finished. */
  play(...turns: Script): void;
  analyst(choice?: SessionChoice): Promise<Session>;
  /** What the model has read in the tool results of its n-th turn, without the escapes of those who put it into JSON. */
  read(turn: number): readonly string[];
}

export async function openAiLab(): Promise<AiLab> {
  let script: Script = [];
  let asked: TurnRequest[] = [];
  const turn = (request: TurnRequest): Turn => {
    asked.push(request);
    return script[asked.length - 1]?.(request) ?? { text: "Finished." };
  };
  const desk = await openDesk({ policies, provider: { turn } });
  return Object.assign(Object.create(desk, {}) as Desk, {
    play: (...turns: Script) => {
      script = turns;
      asked = [];
    },
    analyst: (choice?: SessionChoice) => desk.session("analyst", choice),
    read: (turn: number) => (asked[turn]?.toolResults ?? []).map(({ text }) => text.replaceAll("\\", "")),
  });
}

/** A turn that calls tools, all at once. */
export const calls =
  (...toolCalls: readonly (readonly [name: string, args: unknown])[]) =>
  (): Turn => ({ toolCalls: toolCalls.map(([name, args]) => ({ name, arguments: args })) });
