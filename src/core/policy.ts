import type { GuardContext, SessionContext } from "./context";
import type { Evaluation } from "./evaluation";
import { explain } from "./explanation";
import type { HopSnapshot } from "./hop";
import type { JsonObject } from "./json";
import type { CheckedPrincipal } from "./principal";
import type { PdpValidationError } from "./ports";
import { Refusal } from "./refusal";
import { cleanText } from "./text";

/** Asks the PDP about every principal of the hop; all of them must be allowed. */
export async function askPdp(
  { guard, annotations }: SessionContext,
  evaluation: Evaluation,
  { kind, id, action, attr }: HopSnapshot,
  checked: readonly CheckedPrincipal[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const resource = { kind, id, attr: resourceAttributes(guard, attr, evaluation) };
  const answers = await Promise.all(
    checked.map(({ principal }) =>
      guard.pdp.check({ principal, resource, actions: [action], annotations }, signal ? { signal } : {}),
    ),
  );
  evaluation.answers = answers;
  const refused = checked.findIndex((_, index) => answers[index]?.effects.get(action) !== "allow");
  if (refused < 0) return;
  const refusal = answers[refused];
  if (refusal && refusal.validationErrors.length > 0) throw offSchema(refusal.validationErrors);
  const { unfit, ...explanation } = explain(refusal?.outputs ?? [], action);
  throw new Refusal("policy_denied", {
    ...explanation,
    refusedBy: checked[refused]?.label ?? "unknown",
    ...(unfit.length > 0 && { detail: `outputs that are no explanation: ${JSON.stringify(unfit)}` }),
  });
}

/** The PDP's own schemas were not met: by the caller's arguments, or by something that the caller has no hand in. */
function offSchema(errors: readonly PdpValidationError[]): Refusal {
  const detail = `the PDP's schemas: ${JSON.stringify(errors)}`;
  const argument = errors.find(
    ({ source, path }) => source === "SOURCE_RESOURCE" && path.startsWith("/arguments"),
  );
  if (!argument) return new Refusal("policy_denied", { detail });
  const place = cleanText(argument.path.slice(1).replaceAll("/", "."), 128);
  return new Refusal("arguments_invalid", {
    reason: `${place}: not what the policy's schema accepts.`,
    detail,
  });
}

/** `R.attr`: what the hop brings, and what only the guard may say. */
export function resourceAttributes(
  guard: GuardContext,
  attr: JsonObject,
  { facts, session }: Pick<Evaluation, "facts" | "session">,
): JsonObject {
  return {
    ...attr,
    ...(Object.keys(facts).length > 0 && { facts }),
    context: {
      ...(session && { session: { ...session } }),
      ...(guard.environment !== undefined && { environment: guard.environment }),
    },
  };
}
