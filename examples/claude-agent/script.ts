import type { ToolCall, Turn, TurnRequest } from "../shared/local-provider";
import { TASKS } from "../support-desk/tasks";

const call = (name: string, args: unknown): ToolCall => ({ name, arguments: args });
const refund = (amount_cents: number): ToolCall =>
  call("mcp__payments__refund_issue", { ticket_id: "T-1001", payment_id: "P-9001", amount_cents });
const comment = (body: string): ToolCall =>
  call("mcp__tickets__ticket_comment", { ticket_id: "T-1001", body });

/** What the model does on each task, turn by turn, with the results of tools that it has just read. */
const SCRIPTS: readonly (readonly [task: string, turns: readonly ((read: readonly string[]) => Turn)[]])[] = [
  [
    TASKS.smallRefund,
    [() => ({ toolCalls: [refund(4000)] }), () => ({ text: "40 dollars are on their way." })],
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
    TASKS.confused,
    [
      // Where its tools are of no help, it tries its hand at the shell.
      () => ({
        toolCalls: [call("Bash", { command: "touch refunded", description: "Refund by hand" }), refund(1000)],
      }),
      () => ({ text: "Only one of the two went through." }),
    ],
  ],
  [
    TASKS.approved,
    [() => ({ toolCalls: [refund(900_000)] }), () => ({ text: "9,000 dollars are refunded." })],
  ],
];

/** Plays the model for the local provider: the turn that is due of the task that it was told. */
export function scriptedModel({ body, toolResults }: TurnRequest): Turn {
  const messages = body.messages as readonly { readonly role: string; readonly content: unknown }[];
  // Claude puts reminders of its own beside the task.
  const told = JSON.stringify(messages.find(({ role }) => role === "user"));
  const [, turns] = SCRIPTS.find(([task]) => told.includes(JSON.stringify(task).slice(1, -1))) ?? [];
  const turn = messages.filter(({ role }) => role === "assistant").length;
  return turns?.[turn]?.(toolResults.map(({ text }) => text)) ?? { text: "Done." };
}

/** The words come from the denial that was read, as a model would read it. */
function escalation(result: string): string {
  const json = /\{"decision":"deny".*\}/.exec(result)?.[0];
  if (json === undefined) return "The refund was issued.";
  const { reason, remediation } = JSON.parse(json) as {
    readonly reason: string;
    readonly remediation: { readonly approvers_role: string };
  };
  return `Refund not issued: ${reason}. A ${remediation.approvers_role} must approve it.`;
}
