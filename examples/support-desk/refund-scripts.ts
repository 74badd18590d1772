import type { ToolCall } from "../shared/local-provider";
import { call, denialIn, type Script } from "../shared/play-scripts";
import { TASKS } from "./tasks";

export const refund = (amount_cents: number): ToolCall =>
  call("refund_issue", { ticket_id: "T-1001", payment_id: "P-9001", amount_cents });
export const comment = (body: string): ToolCall => call("ticket_comment", { ticket_id: "T-1001", body });

/** What the model does on the tasks that the agents of every framework are told. */
export const REFUND_SCRIPTS: Readonly<Record<string, Script>> = {
  [TASKS.triage]: [
    () => ({ toolCalls: [comment("Triage: damaged goods, to refunds.")] }),
    () => ({ text: "Triaged." }),
  ],
  [TASKS.smallRefund]: [
    () => ({ toolCalls: [refund(4000)] }),
    () => ({ text: "40 dollars are on their way." }),
  ],
  [TASKS.largeRefund]: [
    () => ({ toolCalls: [refund(900_000)] }),
    ([result = ""]) => ({ toolCalls: [comment(escalation(result))] }),
    () => ({ text: "I have asked for approval in the ticket." }),
  ],
  [TASKS.approved]: [
    () => ({ toolCalls: [refund(900_000)] }),
    () => ({ text: "9,000 dollars are refunded." }),
  ],
};

/** What the ticket is told of a refund that did not go through. The words come from the denial that was read, as a model would read it. */
export function escalation(result: string): string {
  const denial = denialIn(result);
  if (!denial) return "The refund was issued.";
  const { reason, remediation } = denial;
  return remediation?.type === "step_up"
    ? `Refund not issued: ${reason}. A ${String(remediation.approvers_role)} must approve it.`
    : `Refund not issued: ${reason}.`;
}
