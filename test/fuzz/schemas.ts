import { z } from "zod";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const hasOnly = (value: object, ...names: readonly string[]): boolean =>
  Object.keys(value).every((name) => names.includes(name));

/** A schema as a tool has it, and what it says in other words: the oracle uses no validator of hopguard's. */
export interface Typed {
  readonly schema: unknown;
  readonly accepts: (args: unknown) => boolean;
}

export const refundSchema = {
  schema: {
    type: "object",
    properties: {
      amount_cents: { type: "integer", minimum: 0, maximum: 100_000 },
      note: { type: "string", maxLength: 40 },
    },
    required: ["amount_cents"],
    additionalProperties: false,
  },
  accepts: (args) =>
    isObject(args) &&
    hasOnly(args, "amount_cents", "note") &&
    Number.isInteger(args.amount_cents) &&
    (args.amount_cents as number) >= 0 &&
    (args.amount_cents as number) <= 100_000 &&
    (args.note === undefined || (typeof args.note === "string" && args.note.length <= 40)),
} satisfies Typed;

/** One that changes what it is given: defaults and coercions. */
export const searchSchema = {
  schema: z.strictObject({
    q: z.string().transform((text) => text.trim()),
    limit: z.coerce.number().int().max(50).default(10),
  }),
  accepts: (args) =>
    isObject(args) &&
    hasOnly(args, "q", "limit") &&
    typeof args.q === "string" &&
    args.q === args.q.trim() &&
    Number.isInteger(args.limit) &&
    (args.limit as number) <= 50,
} satisfies Typed;

/** Of a tool that calls another, which need not be sound. */
export const runSchema = {
  schema: { type: "object", required: ["tool"] },
  accepts: (args) => isObject(args) && "tool" in args,
} satisfies Typed;

export const anything: Typed = { schema: undefined, accepts: isObject };
