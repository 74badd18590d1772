import * as z from "zod";
import type { DenyDecision } from "../../core/decision";

/** What a `toolApproval` of `ai` 7 may answer. `undefined` is `"not-applicable"`: nobody has to approve. */
export type ApprovalStatus =
  | undefined
  | ApprovalType
  | { readonly type: "not-applicable" }
  | { readonly type: "approved" | "denied" | "user-approval"; readonly reason?: string };

/** The words that `ai` 7 knows. */
export type ApprovalType = "not-applicable" | "approved" | "denied" | "user-approval";

const statusSchema = z.union([
  z.undefined(),
  z.enum(["not-applicable", "approved", "denied", "user-approval"]),
  z.strictObject({ type: z.literal("not-applicable") }),
  z.strictObject({
    type: z.enum(["approved", "denied", "user-approval"]),
    reason: z.string().exactOptional(),
  }),
]);

const UNKNOWN = {
  type: "denied",
  reason:
    "The application's own rule for this tool gave an answer that is not known. Do not retry the same call.",
} as const;

/**
 * Reads what a rule has answered. What `ai` does not know is a denial: `ai` itself runs the tool after `"deny"`, which is a word for nothing.
 */
export function readStatus(answer: unknown): ApprovalStatus {
  const status = statusSchema.safeParse(answer);
  return status.success ? status.data : UNKNOWN;
}

/** Whether a denial is the policy's own, and says that a step-up would help. One that was repeated in vain is told to the model. */
export function needsStepUp(decision: { readonly effect: "allow" } | DenyDecision | undefined): boolean {
  return (
    decision?.effect === "deny" &&
    decision.denial.code === "policy_denied" &&
    decision.denial.remediation?.type === "step_up"
  );
}
