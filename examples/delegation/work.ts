import type { AgentInput, AuthorizationDetails } from "hopguard";

/** The user, who may refund up to 10,000 dollars on any ticket. */
export const LEAD = { id: "u-2001", roles: ["tier-2-lead"] };

/** The desk's agents. Their role counts only while they act for somebody. */
const deskAgent = (id: string): AgentInput => ({ id, roles: ["desk-agent"], harness: "delegation-desk" });
export const PLANNER = deskAgent("planner");
export const EXECUTOR = deskAgent("executor");
export const AUDITOR = deskAgent("auditor");

export const TASK = { id: "T-1001", attr: { ticket_id: "T-1001" } };

/** What the planner hands on: up to 50 dollars back on one ticket, a look at its payment, and a small model to think with. */
export const ONE_REFUND: readonly AuthorizationDetails[] = [
  {
    type: "mcp_payments",
    actions: ["tools/call/refund_issue"],
    constraints: {
      "arguments.ticket_id": { enum: ["T-1001"] },
      "arguments.payment_id": { enum: ["P-9001"] },
      "arguments.amount_cents": { maximum: 5000 },
    },
  },
  readsOf("P-9001"),
  { type: "llm_model", identifier: "gpt-4o-mini", actions: ["completion"] },
];

/** A look at one payment. */
export function readsOf(payment_id: string): AuthorizationDetails {
  return {
    type: "mcp_payments",
    actions: ["tools/call/payment_get"],
    constraints: { "arguments.payment_id": { enum: [payment_id] } },
  };
}

/** What the executor's model is told. */
export const WORK = "Refund 50 dollars of payment P-9001 for ticket T-1001.";

/** The refund that the executor is to issue. */
export const REFUND = { ticket_id: "T-1001", payment_id: "P-9001", amount_cents: 5000 };
