import type { ToolCall } from "../shared/local-provider";
import { call, playScripts, type Script } from "../shared/play-scripts";
import { comment, escalation } from "./refund-scripts";
import { TASKS, type TaskName } from "./tasks";

const refund = (args: unknown): ToolCall => call("refund_issue", args);

const LETTER =
  "Dear Noor Haddad, a standing desk begins as a beech in the Carpathians. It is felled in winter, when the sap is low, and lies for a year " +
  "before anybody saws it. The boards are stacked with laths between them, so that the wind goes through, and turned in spring. A second year " +
  "passes. Then they are planed, glued across their grain, and pressed for a night; the edges are rounded by hand, and oiled three times. " +
  "Meanwhile, in another town, the legs are drawn from steel, and the motors are wound that lift it all without a sound.";

/** Plays the model for the local provider. */
export const scriptedModel = playScripts({
  [TASKS.triage]: [
    () => ({
      toolCalls: [call("ticket_get", { ticket_id: "T-1001" }), call("customer_get", { customer_id: "C-7" })],
    }),
    () => ({ toolCalls: [comment("Triage: damaged goods, to refunds.")] }),
    () => ({ text: "T-1001 is triaged." }),
  ],
  [TASKS.smallRefund]: [
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
  [TASKS.largeRefund]: [
    () => ({ toolCalls: [refund({ ticket_id: "T-1001", payment_id: "P-9001", amount_cents: 900_000 })] }),
    ([result = ""]) => ({ toolCalls: [comment(escalation(result))] }),
    () => ({ text: "I have asked for approval in the ticket." }),
  ],
  [TASKS.confused]: [
    () => ({
      toolCalls: [
        refund({ ticket_id: "T-1002", payment_id: "P-9002", amount_cents: 1000 }),
        refund({ ticket_id: "T-1001", payment_id: "P-9001", amount_cents: "9000" }),
        refund({ ticket_id: "T-1001", payment_id: "P-9001" }),
      ],
    }),
    () => ({ text: "None of the three went through." }),
  ],
  [TASKS.approved]: [
    () => ({
      toolCalls: [
        refund({ ticket_id: "T-1001", payment_id: "P-9001", amount_cents: 900_000, reason: "escalated" }),
      ],
    }),
    () => ({ toolCalls: [call("ticket_set_status", { ticket_id: "T-1001", status: "closed" })] }),
    () => ({ text: "9,000 dollars are refunded, and the ticket is closed." }),
  ],
  // Ten seconds, if nobody ends it.
  [TASKS.letter]: [() => ({ text: LETTER, deltas: 50, deltaDelayMs: 200 })],
  [TASKS.ping]: [() => ({ text: "Hello." })],
} satisfies Record<(typeof TASKS)[TaskName], Script>);
