import type { CheckOptions, StandardSchema } from "../../index";

/** What the policy is asked before a message may pass: a hop on the server's kind, or the reason why it is not even asked. */
export interface Question {
  /** Another kind than this server's, for a tool that a meta tool calls elsewhere. */
  readonly kind?: string;
  readonly action: string;
  /** What the policy reads as `R.attr`, beside `server`. */
  readonly attr?: Readonly<Record<string, unknown>>;
  /** What `attr.arguments` must look like. */
  readonly schema?: StandardSchema;
  readonly refuse?: NonNullable<CheckOptions["refuse"]>;
}

/** A question whose answer is no. */
export type Refused = Question & Required<Pick<Question, "refuse">>;

/** A message that lacks what the policy decides on. */
export function malformed(action: string, place: string, expected = "a string"): Refused {
  return { action, refuse: { code: "arguments_invalid", reason: `${place}: expected ${expected}.` } };
}

/** A message that the guard knows no rule for. */
export function unsupported(action: string, reason: string): Refused {
  return { action, refuse: { code: "unsupported_hop", reason } };
}
