import * as z from "zod";
import type { JsonObject } from "./json";
import { isModelId } from "./names";

/** What the operator knows of a model, at a base URL or at any. */
export interface ModelFacts {
  /** The canonical id, as in policies. */
  readonly model: string;
  /** Only for requests to this base URL. Default: wherever the model runs and no other entry says more. */
  readonly baseURL?: string;
  /** `R.attr.tier`. */
  readonly tier?: string;
  /** `R.attr.region`. */
  readonly region?: string;
  /** For a million tokens, in whatever unit you count. */
  readonly price?: { readonly input: number; readonly output: number };
  /** What a call without a limit of its own reserves. */
  readonly maxOutputTokens?: number;
}

const perMillion = z.number().nonnegative();

export const modelFactsSchema = z.strictObject({
  model: z.string().refine(isModelId, "expected a model id"),
  // As adapters name the endpoint.
  baseURL: z
    .url()
    .transform((url) => new URL(url).href.replace(/\/$/, ""))
    .optional(),
  tier: z.string().min(1).optional(),
  region: z.string().min(1).optional(),
  price: z.strictObject({ input: perMillion, output: perMillion }).optional(),
  maxOutputTokens: z.int().positive().optional(),
});

/** The entry for a model at an endpoint: that of the base URL before the one for any. */
export function factsOf(
  catalogue: readonly ModelFacts[],
  model: string,
  endpoint: unknown,
): ModelFacts | undefined {
  const entries = catalogue.filter((entry) => entry.model === model);
  return (
    entries.find(({ baseURL }) => baseURL !== undefined && baseURL === endpoint) ??
    entries.find(({ baseURL }) => baseURL === undefined)
  );
}

/** What policies read of a model beside what its adapter says: `R.attr.tier`, `R.attr.region`. */
export function modelAttributes(facts: ModelFacts | undefined): JsonObject {
  const { tier, region } = facts ?? {};
  return { ...(tier !== undefined && { tier }), ...(region !== undefined && { region }) };
}
