import type { GuardContext } from "./context";
import { callWithin } from "./deadline";
import type { Evaluation } from "./evaluation";
import { readExplanation } from "./explanation";
import type { HopSnapshot } from "./hop";
import { snapshot } from "./json";
import type { PdpPrincipal } from "./principal";
import { Refusal } from "./refusal";

/** Runs the user's own hooks, one after the other: a later one sees the facts of the earlier. They add facts or deny, never allow. */
export async function applyGuardrails(
  guard: GuardContext,
  evaluation: Evaluation,
  hop: HopSnapshot,
  principal: PdpPrincipal,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const guardrail of guard.guardrails) {
    if (!(guardrail.applies?.(hop) ?? true)) continue;
    const { name, timeoutMs = guard.timeoutMs } = guardrail;
    const facts = Object.freeze({ ...evaluation.facts });
    const result = await callWithin(timeoutMs, `guardrail ${name}`, signal, (signal) =>
      guardrail.check({ hop, principal, facts, signal }),
    );
    if (!result) continue;
    if ("deny" in result) {
      throw new Refusal("guardrail_denied", { ...readExplanation(result.deny), detail: `guardrail ${name}` });
    }
    if (!("facts" in result)) throw new Error(`guardrail ${name} answered neither facts nor deny`);
    evaluation.facts[name] = snapshot(result.facts, guard.limits);
  }
}
