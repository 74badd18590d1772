import { parseDenial } from "hopguard";
import type { ToolCall, ToolResult, Turn, TurnRequest } from "../shared/local-provider";
import { TASKS, type TaskName } from "./tasks";

const call = (name: string, args: unknown): ToolCall => ({ name, arguments: args });
const refund = (args: unknown): ToolCall => call("refund_issue", args);

const LETTER =
  "Dear Noor Haddad, a standing desk begins as a beech in the Carpathians. It is felled in winter, when the sap is low, and lies for a year " +
  "before anybody saws it. The boards are stacked with laths between them, so that the wind goes through, and turned in spring. A second year " +
  "passes. Then they are planed, glued across their grain, and pressed for a night; the edges are rounded by hand, and oiled three times. " +
  "Meanwhile, in another town, the legs are drawn from steel, and the motors are wound that lift it all without a sound.";

/** What the model does on each task, turn by turn. A turn may read what the tools answered to the one before it. */
const SCRIPTS: Readonly<Record<TaskName, readonly ((results: readonly ToolResult[]) => Turn)[]>> = {
  triage: [
    () => ({
      toolCalls: [call("ticket_get", { ticket_id: "T-1001" }), call("customer_get", { customer_id: "C-7" })],
    }),
    () => ({
      toolCalls: [
        call("ticket_comment", { ticket_id: "T-1001", body: "Triage: damaged goods, to refunds." }),
      ],
    }),
    () => ({ text: "T-1001 is triaged." }),
  ],
  smallRefund: [
    () => ({
      toolCalls: [
        refund({
          ticket_id: "T-1001",
          payment_id: "P-9001",
          amount_cents: 4000,
          reason: "two desks scratched",
        }),
      ],
    }),
    () => ({ text: "40 dollars are on their way." }),
  ],
  largeRefund: [
    () => ({ toolCalls: [refund({ ticket_id: "T-1001", payment_id: "P-9001", amount_cents: 900_000 })] }),
    // The words come from the denial that was received, as a model would read it.
    ([result]) => ({
      toolCalls: [call("ticket_comment", { ticket_id: "T-1001", body: escalation(result?.text ?? "") })],
    }),
    () => ({ text: "I have asked for approval in the ticket." }),
  ],
  confused: [
    () => ({
      toolCalls: [
        refund({ ticket_id: "T-1002", payment_id: "P-9002", amount_cents: 1000 }),
        refund({ ticket_id: "T-1001", payment_id: "P-9001", amount_cents: "9000" }),
        refund({ ticket_id: "T-1001", payment_id: "P-9001" }),
      ],
    }),
    () => ({ text: "None of the three went through." }),
  ],
  approved: [
    () => ({
      toolCalls: [
        refund({ ticket_id: "T-1001", payment_id: "P-9001", amount_cents: 900_000, reason: "escalated" }),
      ],
    }),
    () => ({ toolCalls: [call("ticket_set_status", { ticket_id: "T-1001", status: "closed" })] }),
    () => ({ text: "9,000 dollars are refunded, and the ticket is closed." }),
  ],
  // Ten seconds, if nobody ends it.
  letter: [() => ({ text: LETTER, deltas: 50, deltaDelayMs: 200 })],
  ping: [() => ({ text: "Hello." })],
};

/** Plays the model for the local provider: finds the task in the conversation and plays the turn that is due. */
export function scriptedModel({ body, toolResults }: TurnRequest): Turn {
  const messages = body.messages as readonly { readonly role: string; readonly content: unknown }[];
  const task = (Object.keys(TASKS) as TaskName[]).find((name) => TASKS[name] === messages[0]?.content);
  if (!task) return { text: "I do not know this task." };
  const turn = messages.filter(({ role }) => role === "assistant").length;
  return SCRIPTS[task][turn]?.(toolResults) ?? { text: "Done." };
}

function escalation(toolResult: string): string {
  const denial = parseDenial(readJson(toolResult));
  if (!denial) return "The refund did not go through.";
  const { reason, remediation } = denial;
  return remediation?.type === "step_up"
    ? `Refund not issued: ${reason}. A ${String(remediation.approvers_role)} must approve it.`
    : `Refund not issued: ${reason}.`;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
