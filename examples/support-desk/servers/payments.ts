import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { find, type Desk } from "./desk-data";
import { jsonText } from "./tool-result";

const paymentId = z.string().describe("Such as P-9001");

const payment = z.object({
  payment_id: paymentId,
  ticket_id: z.string(),
  paid_cents: z.int(),
  refunded_cents: z.int(),
  refunds: z.array(z.object({ amount_cents: z.int(), reason: z.string() })),
});
const balance = z.object({ balance_cents: z.int() });
const refundRequest = z.strictObject({
  ticket_id: z.string().describe("The ticket that asks for the refund"),
  payment_id: paymentId,
  amount_cents: z.int().positive().describe("In cents"),
  reason: z.string().optional(),
});

/** The desk's account and the customers' payments, on SDK 2: the server that moves money. */
export function createPaymentsServer(desk: Desk): McpServer {
  const server = new McpServer({ name: "payments", version: "2.0.0" });

  server.registerTool(
    "payment_get",
    {
      description: "Reads a payment: what was paid, and how much of it was refunded.",
      inputSchema: z.strictObject({ payment_id: paymentId }),
      outputSchema: payment,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ payment_id }) => structured({ ...find(desk.payments, payment_id) }),
  );

  server.registerTool(
    "balance_get",
    {
      description: "Reads the balance of the desk's account.",
      inputSchema: z.strictObject({}),
      outputSchema: balance,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    () => structured({ ...desk.account }),
  );

  server.registerTool(
    "refund_issue",
    {
      description: "Pays a part of a payment, or all of it, back to the customer.",
      inputSchema: refundRequest,
      outputSchema: payment.extend(balance.shape),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
    },
    (args) => structured(issueRefund(desk, args)),
  );

  return server;
}

function issueRefund({ payments, account }: Desk, request: z.infer<typeof refundRequest>) {
  const { ticket_id, payment_id, amount_cents, reason = "" } = request;
  const paid = find(payments, payment_id);
  if (paid.ticket_id !== ticket_id) throw new Error(`${payment_id} is not the payment of ${ticket_id}.`);
  const left = Math.min(paid.paid_cents - paid.refunded_cents, account.balance_cents);
  if (amount_cents > left) throw new Error(`No more than ${left} cents of ${payment_id} can be refunded.`);
  paid.refunds.push({ amount_cents, reason });
  paid.refunded_cents += amount_cents;
  account.balance_cents -= amount_cents;
  return { ...paid, ...account };
}

function structured(value: Record<string, unknown>) {
  return { ...jsonText(value), structuredContent: value };
}
