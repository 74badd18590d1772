import type { ToolCall, Turn, TurnRequest } from "../shared/local-provider";
import { TASKS as DESK_TASKS } from "../support-desk/tasks";

/** What the agents are told. A real model reads the same words as the scripted one. */
export const TASKS = {
  ...DESK_TASKS,
  beyondGrant: "Refund 48 dollars (4800 cents) of payment P-9001 for ticket T-1001, because a leg was bent.",
} as const;

const call = (name: string, args: unknown): ToolCall => ({ name, arguments: args });
const refund = (amount_cents: number): ToolCall =>
  call("refund_issue", { ticket_id: "T-1001", payment_id: "P-9001", amount_cents });
const comment = (body: string): ToolCall => call("ticket_comment", { ticket_id: "T-1001", body });

type Script = readonly ((read: readonly string[]) => Turn)[];

/** What the model does on each task, turn by turn, with the results of tools that it has just read. */
const SCRIPTS = new Map<string, Script>([
  [
    TASKS.triage,
    [() => ({ toolCalls: [comment("Triage: damaged goods, to refunds.")] }), () => ({ text: "Triaged." })],
  ],
  [
    TASKS.smallRefund,
    [() => ({ toolCalls: [refund(4000)] }), () => ({ text: "40 dollars are on their way." })],
  ],
  [
    TASKS.beyondGrant,
    [
      () => ({ toolCalls: [refund(4800)] }),
      ([result = ""]) => ({ text: `Not done: ${denialIn(result).reason}` }),
    ],
  ],
  [
    TASKS.largeRefund,
    [
      () => ({ toolCalls: [refund(900_000)] }),
      ([result = ""]) => ({ toolCalls: [comment(escalation(result))] }),
      () => ({ text: "I have asked for approval in the ticket." }),
    ],
  ],
  [
    TASKS.approved,
    [() => ({ toolCalls: [refund(900_000)] }), () => ({ text: "9,000 dollars are refunded." })],
  ],
]);

/** Plays the models for the local provider. Whoever has nothing but a handoff for it hands the task over. */
export function scriptedModel({ body, tools, toolResults }: TurnRequest): Turn {
  const messages = body.messages as readonly { readonly role: string; readonly content: unknown }[];
  const transfer = tools.find((name) => name.startsWith("transfer_to_"));
  if (transfer !== undefined) return { toolCalls: [call(transfer, {})] };
  const task = messages.find(({ role }) => role === "user")?.content;
  // A handoff is a turn of the agent that has handed over.
  const turns = messages.filter(({ role }) => role === "assistant").length;
  const handedOver = JSON.stringify(messages).includes("transfer_to_") ? 1 : 0;
  const turn = SCRIPTS.get(String(task))?.[turns - handedOver];
  return turn?.(toolResults.map(({ text }) => text)) ?? { text: "Done." };
}

/** The words come from the denial that was read, as a model would read it. */
function escalation(result: string): string {
  const { reason, remediation } = denialIn(result);
  return `Refund not issued: ${reason}. A ${String(remediation?.approvers_role)} must approve it.`;
}

function denialIn(result: string): {
  readonly reason: string;
  readonly remediation?: { readonly approvers_role: string };
} {
  const json = result.slice(0, result.lastIndexOf("}") + 1);
  if (!json.startsWith('{"decision":"deny"')) return { reason: "it was done." };
  return JSON.parse(json) as { readonly reason: string };
}
