import type { GuardContext } from "./context";
import { callWithin } from "./deadline";
import type { Evaluation } from "./evaluation";
import type { HopSnapshot } from "./hop";
import { snapshot } from "./json";
import type { PdpPrincipal } from "./principal";

/** Finds out what the policy wants to know about the target. A provider that fails denies the hop. */
export async function enrich(
  guard: GuardContext,
  evaluation: Evaluation,
  hop: HopSnapshot,
  principal: PdpPrincipal,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (guard.enrich.length === 0) return;
  const applicable = guard.enrich.filter((provider) => provider.applies?.(hop) ?? true);
  await Promise.all(
    applicable.map(async (provider) => {
      const { name, timeoutMs = guard.timeoutMs } = provider;
      const fact = await callWithin(timeoutMs, `attribute provider ${name}`, signal, (signal) =>
        provider.provide({ hop, principal, signal }),
      );
      evaluation.facts[name] = snapshot(fact, guard.limits);
    }),
  );
}
