import type { GuardContext } from "./context";
import type { Evaluation } from "./evaluation";
import { covers, reach } from "./grant";
import type { HopSnapshot } from "./hop";
import type { Identified } from "./identification";
import { Refusal } from "./refusal";
import type { Question } from "./visibility";
import { least, type Visibility } from "./visibility-cache";

/**
 * Holds a hop against the token's own limit and every grant of the chain, before any policy is asked.
 *
 * @throws {Refusal} `delegation_invalid`, naming the link that does not cover the hop.
 */
export function refuseBeyondGrants(
  { grants }: Identified,
  { kind, name, action, attr }: HopSnapshot,
  { models }: Evaluation,
): void {
  // Of a model, the one that the name stands for.
  const hop = { kind, id: models?.at(-1) ?? name, action, attr };
  const narrower = grants.find(({ grant }) => !covers(grant, hop));
  if (!narrower) return;
  const { label, what } = narrower;
  throw new Refusal("delegation_invalid", { reason: `${what} does not cover this call.`, refusedBy: label });
}

/** How far all grants together reach: for showing and hiding. */
export function reachOf(
  { models }: GuardContext,
  { grants }: Identified,
  { kind, id: asked }: Pick<Question, "kind" | "id">,
  action: string,
): Visibility {
  const id = (kind === "llm_model" ? models.namesOf(asked)?.at(-1) : undefined) ?? asked;
  return least(["always", ...grants.map(({ grant }) => reach(grant, { kind, id, action }))]);
}
