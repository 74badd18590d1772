import type { Turn, TurnRequest } from "../shared/local-provider";

/** What the agent is told. */
export const TASKS = {
  small: "Refund 40 dollars (4000 cents) of payment P-9001 for ticket T-1001.",
  large:
    "Refund 9,000 dollars (900000 cents) of payment P-9001 for ticket T-1001. If that is denied, write into the ticket who must approve it.",
  both: "Refund 30 dollars (3000 cents) and 9,000 dollars (900000 cents) of payment P-9001 for ticket T-1001, both at once.",
} as const;

const refund = (amount_cents: number) => ({
  name: "refund_issue",
  arguments: { ticket_id: "T-1001", payment_id: "P-9001", amount_cents },
});

/** Plays the model: it does what the task says, and on a denial what the denial says. */
export function scriptedModel({ body, toolResults }: TurnRequest): Turn {
  const [{ content: task } = {}] = body.messages as readonly { readonly content?: unknown }[];
  const results = toolResults.map(({ text }) => text.replaceAll("\\", ""));
  if (results.length > 0) return answer(task, results);
  if (task === TASKS.small) return { toolCalls: [refund(4000)] };
  if (task === TASKS.large) return { toolCalls: [refund(900_000)] };
  if (task === TASKS.both) return { toolCalls: [refund(3000), refund(900_000)] };
  return { text: "I do not know this task." };
}

function answer(task: unknown, results: readonly string[]): Turn {
  const denied = results.find((text) => text.includes('"decision":"deny"'));
  // The words come from the denial that was received, as a model would read it.
  const approvers = /"approvers_role":"([^"]+)"/.exec(denied ?? "")?.[1];
  if (task !== TASKS.large || approvers === undefined) return { text: denied ? "Denied." : "Done." };
  const comment = `Refund not issued. A ${approvers} must approve it.`;
  return { toolCalls: [{ name: "ticket_comment", arguments: { ticket_id: "T-1001", body: comment } }] };
}
