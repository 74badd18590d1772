import type { Ending, GuardContext, SessionContext } from "./context";
import { EnrichedPrincipals } from "./enriched-principals";
import { identification, type Acting, type Identification, type Prove } from "./identification";
import type { SessionCounter } from "./ports";
import { RememberedAnswers } from "./remembered-answers";
import { RepeatedDenials } from "./repeated-denials";
import { VisibilityCache } from "./visibility-cache";

/** One run, of the user's own agent or of one further down the chain. */
export interface Run extends Acting {
  /** Of the whole chain: an agent further down counts with the session that it works for. */
  readonly id: string;
  readonly startedAt: Date;
  readonly counter: SessionCounter;
  readonly prove: Prove;
  /** Of the sessions that this one was delegated from. */
  readonly ends?: readonly Ending[];
  /** Of the session that this one was delegated from: its subject is the same. */
  readonly known?: Identification["known"];
}

/** What a session remembers is its own; what it counts is the chain's. */
export function sessionContext(guard: GuardContext, run: Run): SessionContext {
  return {
    ...run,
    guard,
    ends: [...(run.ends ?? []), {}],
    visibility: new VisibilityCache(guard.visibilityTtlMs),
    remembered: new RememberedAnswers(),
    enriched: new EnrichedPrincipals(),
    repeatedDenials: guard.repeats ? new RepeatedDenials(guard.repeats) : undefined,
    annotations: annotations(run),
    ...identification(run.prove, run, guard),
  };
}

/** What joins the PDP's decision log with our records. */
function annotations({ id, agent, task, links }: Run): Readonly<Record<string, string>> {
  const delegation = links.at(-1);
  return Object.freeze({
    "hopguard.agent": agent.id,
    "hopguard.session": id,
    ...(agent.harness !== undefined && { "hopguard.harness": agent.harness }),
    ...(agent.version !== undefined && { "hopguard.version": agent.version }),
    ...(task && { "hopguard.task": task.id }),
    ...(delegation && { "hopguard.delegation": delegation.id }),
  });
}
