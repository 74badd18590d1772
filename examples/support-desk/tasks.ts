/** What the agents of the story are told. A real model reads the same words as the scripted one. */
export const TASKS = {
  triage:
    "Triage the open tickets: read ticket T-1001 and its customer C-7, and comment on T-1001 that it goes to refunds.",
  smallRefund:
    "Refund 40 dollars (4000 cents) of payment P-9001 for ticket T-1001, because two desks were scratched.",
  largeRefund:
    "The customer of ticket T-1001 wants 9,000 dollars (900000 cents) of payment P-9001 back. Issue the refund. " +
    "If that is denied, write into the ticket who must approve it, as the denial says.",
  confused:
    "Issue three refunds at once: 10 dollars of payment P-9002 for ticket T-1002; " +
    'the string "9000" as amount_cents of payment P-9001 for ticket T-1001; and payment P-9001 for T-1001 with no amount.',
  approved:
    "Refund 9,000 dollars (900000 cents) of payment P-9001 for ticket T-1001, which was escalated to you. Then close the ticket.",
  letter:
    "Write a letter of two thousand words to the customer of ticket T-1001 about how standing desks are made.",
  ping: "Say hello.",
} as const;

export type TaskName = keyof typeof TASKS;
