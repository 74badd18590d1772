import type { Arrival } from "./oracle";
import { Violation } from "./violation";
import type { World } from "./world";

/**
 * What is shown is what the principal may use in some case: the PDP allowed it outright, or its query plan did not rule it out.
 *
 * @throws {Violation}
 */
export function demandShown(
  world: World,
  { actor, at }: Pick<Arrival, "actor" | "at">,
  { kind, action, id }: { readonly kind: string; readonly action: string; readonly id?: string },
): void {
  const { ledger, circumstances } = world;
  const principals = [actor.principal.id, ...(circumstances.agents === "principal" ? [actor.agent.id] : [])];
  const hidden = principals.find((who) => {
    const isAllowed = ledger.sayings.some(
      (saying) =>
        saying.at < at &&
        saying.effect === "allow" &&
        saying.session === actor.session.id &&
        saying.principal.id === who &&
        saying.resource.kind === kind &&
        saying.action === action &&
        (id === undefined || saying.resource.id === id),
    );
    const isPlanned = ledger.plans.some(
      (plan) =>
        plan.principal.id === who &&
        plan.kind === kind &&
        plan.action === action &&
        plan.visibility !== "never",
    );
    return !isAllowed && !isPlanned;
  });
  if (hidden !== undefined)
    throw new Violation(`${hidden} was shown what no answer allows in any case:`, { kind, action, id });
}
