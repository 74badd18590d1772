import type { Payment } from "../support-desk/servers/desk-data";

/** What customers paid, by id. */
export type Payments = ReadonlyMap<string, Payment>;

/** What can still be given back; of a payment that there is not, nothing. */
export function leftOf(payments: Payments, id: string): number {
  const payment = payments.get(id);
  return payment ? payment.paid_cents - payment.refunded_cents : 0;
}

/** Gives back a part of a payment. @throws {RangeError} where that much is not left: time has passed since it was decided. */
export function refund(payments: Payments, id: string, amount_cents: number): Payment {
  const payment = payments.get(id);
  if (!payment || amount_cents > leftOf(payments, id)) throw new RangeError(`${id} has less left than that.`);
  payment.refunds.push({ amount_cents, reason: "" });
  payment.refunded_cents += amount_cents;
  return payment;
}
