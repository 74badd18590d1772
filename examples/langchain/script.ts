import { TASKS } from "../support-desk/tasks";
import type { ToolCall, Turn, TurnRequest } from "../shared/local-provider";

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

/** Plays the model for the local provider: the turn that is due of the task that it was told. */
export function scriptedModel({ body, toolResults }: TurnRequest): Turn {
  const messages = body.messages as readonly { readonly role: string; readonly content: unknown }[];
  const task = messages.find(({ role }) => role === "user")?.content;
  const turn = messages.filter(({ role }) => role === "assistant").length;
  return SCRIPTS.get(String(task))?.[turn]?.(toolResults.map(({ text }) => text)) ?? { text: "Done." };
}

/** The words come from the denial that was read, as a model would read it. */
function escalation(result: string): string {
  const json = result.slice(0, result.lastIndexOf("}") + 1);
  if (!json.startsWith('{"decision":"deny"')) return "The refund was issued.";
  const { reason, remediation } = JSON.parse(json) as {
    readonly reason: string;
    readonly remediation: { readonly approvers_role: string };
  };
  return `Refund not issued: ${reason}. A ${remediation.approvers_role} must approve it.`;
}
