import * as z from "zod";
import { aFunction } from "../core/option-types";
import type { AttributeProvider, StandardSchema } from "../index";

/** What every provider says of itself: all but what it does. */
export type ProviderOptions = Omit<AttributeProvider, "provide">;

const aSchema = z.custom<StandardSchema>(
  (value) =>
    value !== null && ["object", "function"].includes(typeof value) && "~standard" in (value as object),
  "expected a zod schema, or another Standard Schema",
);

/** The same for zod. What names and keys may be is the guard's to say. */
export const providerSchema = z.strictObject({
  name: z.string().min(1),
  adds: z.enum(["facts", "principal", "agent", "task"]).optional(),
  keys: z.array(z.string().min(1)).optional(),
  schema: aSchema.optional(),
  applies: aFunction<NonNullable<AttributeProvider["applies"]>>().optional(),
  after: z.array(z.string()).optional(),
  cache: z.strictObject({ per: z.enum(["hop", "session"]), ttlMs: z.number().positive() }).optional(),
  optional: z.boolean().optional(),
  timeoutMs: z.int().positive().optional(),
});
