import type { GuardContext, SessionContext } from "./context";
import type { Evaluation } from "./evaluation";
import { explain } from "./explanation";
import type { HopSnapshot } from "./hop";
import type { JsonObject } from "./json";
import { modelAttributes } from "./model-facts";
import { PdpError } from "./pdp-error";
import type { CheckedPrincipal } from "./principal";
import type { PdpValidationError } from "./ports";
import { Refusal } from "./refusal";
import { cleanText } from "./text";
import { usageFacts } from "./usage";

/** Asks the PDP about every principal of the hop, unless the very same question was denied too often just now. */
export async function askPdp(
  session: SessionContext,
  evaluation: Evaluation,
  hop: HopSnapshot,
  checked: readonly CheckedPrincipal[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const attr = resourceAttributes(session.guard, hop.attr, evaluation);
  const ask = (): Promise<void> => askAll(session, evaluation, { ...hop, attr }, checked, signal);
  if (!session.repeatedDenials) return ask();
  // What differs from one attempt to the next is left out: counts, and the id that is made for each decision.
  const { session: _counts, usage: _usage, ...context } = attr.context as JsonObject;
  const question = (): JsonObject => ({
    hop: [hop.kind, hop.name, hop.action],
    attr: { ...attr, context },
    // Policies may read it themselves: after a step-up it says something else.
    ...(evaluation.auxData && { token: evaluation.auxData.jwt.token }),
  });
  return session.repeatedDenials.ask(checked, question, ask);
}

/** All principals must be allowed, each under every name that a model has. */
async function askAll(
  { guard, annotations }: SessionContext,
  evaluation: Evaluation,
  { kind, id, action, attr }: HopSnapshot,
  checked: readonly CheckedPrincipal[],
  signal: AbortSignal | undefined,
): Promise<void> {
  // What a name stands for first: it is the more telling denial.
  const ids = evaluation.models?.toReversed() ?? [id];
  const beside = evaluation.auxData ? { auxData: evaluation.auxData } : {};
  const asked = checked.flatMap(({ label, principal }) =>
    ids.map((id) => ({
      label,
      query: { principal, resource: { kind, id, attr }, actions: [action], annotations, ...beside },
    })),
  );
  const settled = await Promise.allSettled(
    asked.map(({ query }) => guard.pdp.check(query, signal ? { signal } : {})),
  );
  const answers = settled.map((result) => (result.status === "fulfilled" ? result.value : undefined));
  evaluation.answers = answers.filter((answer) => answer !== undefined);
  const failures = settled.filter((result) => result.status === "rejected");
  // Silence to one question speaks for no other that was answered with nonsense: only silence may be degraded.
  const failure = failures.find(({ reason }) => !isSilence(reason)) ?? failures[0];
  // A denial stands whatever became of the other questions.
  const isDenied = answers.some((answer) => answer && answer.effects.get(action) !== "allow");
  if (failure && !isDenied) throw failure.reason;
  const refused = asked.findIndex((_, index) => {
    const answer = answers[index];
    return answer ? answer.effects.get(action) !== "allow" : !isDenied;
  });
  if (refused < 0) return;
  const refusal = answers[refused];
  if (refusal && refusal.validationErrors.length > 0) throw offSchema(guard, refusal.validationErrors);
  const { unfit, ...explanation } = explain(refusal?.outputs ?? [], action);
  throw new Refusal("policy_denied", {
    ...explanation,
    refusedBy: asked[refused]?.label ?? "unknown",
    ...(unfit.length > 0 && { detail: `outputs that are no explanation: ${JSON.stringify(unfit)}` }),
  });
}

const isSilence = (reason: unknown): boolean =>
  PdpError.isInstance(reason) && reason.reason === "pdp_unavailable";

/** The PDP's own schemas were not met: by the caller's arguments, or by something that the caller has no hand in. */
function offSchema({ recordArguments }: GuardContext, errors: readonly PdpValidationError[]): Refusal {
  const isArgument = ({ source, path }: PdpValidationError): boolean =>
    source === "SOURCE_RESOURCE" && path.startsWith("/arguments");
  // The message may repeat the value: "must be >= 1 but found -77".
  const told = errors.map((error) =>
    recordArguments || !isArgument(error) ? error : { path: error.path, source: error.source },
  );
  const detail = `the PDP's schemas: ${JSON.stringify(told)}`;
  const argument = errors.find(isArgument);
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
  { facts, data, standing, accounts, modelFacts }: Evaluation,
): JsonObject {
  return {
    ...attr,
    ...modelAttributes(modelFacts),
    ...(Object.keys(facts).length > 0 && { facts }),
    context: {
      ...(standing && { session: { ...standing.session } }),
      ...(standing && accounts.length > 0 && { usage: usageFacts(accounts, standing.usage) }),
      ...(data && { data }),
      ...(guard.environment !== undefined && { environment: guard.environment }),
    },
  };
}
