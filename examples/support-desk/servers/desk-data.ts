/** Where a ticket stands. */
export const ticketStatuses = ["open", "pending", "closed"] as const;
/** One of them. */
export type TicketStatus = (typeof ticketStatuses)[number];

/** A customer's request. The fields of all records are named as the tools answer them. */
export interface Ticket {
  readonly ticket_id: string;
  readonly customer_id: string;
  readonly order_id: string;
  readonly payment_id: string;
  readonly subject: string;
  status: TicketStatus;
  readonly comments: string[];
}

/** Who writes to the desk. */
export interface Customer {
  readonly customer_id: string;
  readonly name: string;
  readonly email: string;
}

/** What a customer bought. */
export interface Order {
  readonly order_id: string;
  readonly customer_id: string;
  readonly item: string;
  readonly total_cents: number;
}

/** What a customer paid, and got back. */
export interface Payment {
  readonly payment_id: string;
  /** The ticket that asks for this payment back. */
  readonly ticket_id: string;
  readonly paid_cents: number;
  refunded_cents: number;
  readonly refunds: Refund[];
}

/** One refund of a payment; the reason may be empty. */
export interface Refund {
  readonly amount_cents: number;
  readonly reason: string;
}

/** What an employee earns in a month. */
export interface Salary {
  readonly employee_id: string;
  readonly name: string;
  amount_cents: number;
}

/** All that the support desk's servers know; their tools change it in place. */
export interface Desk {
  readonly tickets: ReadonlyMap<string, Ticket>;
  readonly customers: ReadonlyMap<string, Customer>;
  readonly orders: ReadonlyMap<string, Order>;
  readonly payments: ReadonlyMap<string, Payment>;
  readonly salaries: ReadonlyMap<string, Salary>;
  /** The account that refunds are paid from. */
  readonly account: { balance_cents: number };
}

/** A fresh desk: three tickets of three customers, and the account that refunds come from. */
export function createDesk(): Desk {
  const payment = (n: number, paid_cents: number): Payment => ({
    payment_id: `P-900${n}`,
    ticket_id: `T-100${n}`,
    paid_cents,
    refunded_cents: 0,
    refunds: [],
  });
  const ticket = (n: number, customer: number, status: TicketStatus, subject: string): Ticket => ({
    ticket_id: `T-100${n}`,
    customer_id: `C-${customer}`,
    order_id: `O-500${n}`,
    payment_id: `P-900${n}`,
    subject,
    status,
    comments: [],
  });
  return {
    tickets: byId("ticket_id", [
      ticket(1, 7, "open", "Two of the standing desks came scratched"),
      ticket(2, 8, "pending", "The lamp flickers"),
      ticket(3, 9, "open", "Where is my chair?"),
    ]),
    customers: byId("customer_id", [
      { customer_id: "C-7", name: "Noor Haddad", email: "noor@example.com" },
      { customer_id: "C-8", name: "Sam Okafor", email: "sam@example.com" },
      { customer_id: "C-9", name: "Ines Duarte", email: "ines@example.com" },
    ]),
    orders: byId("order_id", [
      { order_id: "O-5001", customer_id: "C-7", item: "Standing desk, 12 pieces", total_cents: 1_200_000 },
      { order_id: "O-5002", customer_id: "C-8", item: "Lamp", total_cents: 8_900 },
      { order_id: "O-5003", customer_id: "C-9", item: "Chair", total_cents: 24_900 },
    ]),
    payments: byId("payment_id", [payment(1, 1_200_000), payment(2, 8_900), payment(3, 24_900)]),
    salaries: byId("employee_id", [
      { employee_id: "E-1", name: "Kim Larsen", amount_cents: 520_000 },
      { employee_id: "E-2", name: "Priya Nair", amount_cents: 610_000 },
    ]),
    account: { balance_cents: 5_000_000 },
  };
}

/** Finds a record. @throws {Error} that names the missing id; MCP servers answer it as the tool's error. */
export function find<Item>(records: ReadonlyMap<string, Item>, id: string): Item {
  const item = records.get(id);
  if (item === undefined) throw new Error(`There is no ${id}.`);
  return item;
}

function byId<Key extends string, Item extends Readonly<Record<Key, string>>>(
  key: Key,
  records: readonly Item[],
): ReadonlyMap<string, Item> {
  return new Map(records.map((record) => [record[key], record]));
}
