import * as z from "zod";
import type { Remediation } from "./denial";
import type { PdpOutput } from "./ports";
import { cleanText } from "./text";

export interface Explanation {
  readonly reason?: string;
  readonly remediation?: Remediation;
  /** Outputs that are no explanation; kept in the audit record and never shown. */
  readonly unfit: readonly PdpOutput[];
}

const MAX_DETAIL_LENGTH = 200;
const detail = z
  .union([
    z.string().transform((text) => cleanText(text, MAX_DETAIL_LENGTH)),
    z.number(),
    z.boolean(),
    z.null(),
  ])
  .or(z.array(z.string().transform((text) => cleanText(text, MAX_DETAIL_LENGTH))).max(10));

/** What a policy's output must look like to be shown: flat, so that its length is bounded with each member's. */
const outputSchema = z.object({
  reason: z
    .string()
    .transform((text) => cleanText(text))
    .refine((text) => text !== "", "is empty"),
  remediation: z
    .record(z.string().regex(/^[A-Za-z_]{1,64}$/), detail)
    .refine((members) => Object.keys(members).length <= 10, "at most ten members")
    .transform((members, context) => {
      const { type } = members;
      if (typeof type === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(type)) return { ...members, type };
      context.addIssue({ code: "custom", path: ["type"], message: "expected a type such as step_up" });
      return z.NEVER;
    })
    .optional(),
  priority: z.number().default(0),
});

/** Reads a reason and a remediation as an agent may be shown them, or answers nothing. */
export function readExplanation(value: unknown): Omit<Explanation, "unfit"> {
  const { success, data } = outputSchema.safeParse(value);
  if (!success) return {};
  return {
    reason: data.reason,
    ...(data.remediation && { remediation: Object.freeze(data.remediation) }),
  };
}

/**
 * What the outputs that came with a denial have to say. The highest priority speaks, ties go by rule name (the PDP's order varies between
 * identical requests). A remediation is passed on only if every output carries one: where one has none, stepping up would not help.
 */
export function explain(outputs: readonly PdpOutput[], action: string): Explanation {
  const unfit: PdpOutput[] = [];
  const fit: (z.output<typeof outputSchema> & { source: string })[] = [];
  for (const output of outputs) {
    // A rule whose output has nothing to say for this call evaluates to null.
    if (output.action !== action || output.value === null) continue;
    const parsed = outputSchema.safeParse(output.value);
    if (parsed.success) fit.push({ ...parsed.data, source: output.source });
    else unfit.push(output);
  }
  fit.sort((a, b) => b.priority - a.priority || (a.source < b.source ? -1 : 1));
  const [first] = fit;
  if (!first) return { unfit };
  const remediable = fit.every(({ remediation }) => remediation !== undefined);
  return {
    reason: first.reason,
    ...(remediable && first.remediation && { remediation: Object.freeze(first.remediation) }),
    unfit,
  };
}
