import type { Denial } from "../../core/denial";
import { ConfigurationError } from "../../core/errors";
import { denialForModel } from "../shared/agent-tools/denial-text";
import type { SdkAgent, SdkHandoff } from "./framework";

/**
 * The handoffs of one agent that were denied, by run. The SDK has no words for a handoff that is refused: the agent goes on itself, and its
 * instructions say why.
 */
export class RefusedHandoffs {
  readonly #byRun = new WeakMap<object, Map<string, string>>();

  note(run: object, toolName: string, denial: Denial | undefined): void {
    const notes = this.#byRun.get(run) ?? new Map<string, string>();
    this.#byRun.set(run, notes);
    if (denial) notes.set(toolName, `The handoff ${toolName} was refused: ${denialForModel(denial)}`);
    else notes.delete(toolName);
  }

  /** The instructions, with what was refused in this run. */
  explainedIn(instructions: string | undefined, run: object): string | undefined {
    const notes = [...(this.#byRun.get(run)?.values() ?? [])];
    return notes.length === 0 ? instructions : [instructions, ...notes].filter(Boolean).join("\n\n");
  }
}

/** What a handoff leads to once it is guarded. */
export interface HandoffPlan {
  readonly from: SdkAgent;
  readonly to: SdkAgent;
  readonly refused: RefusedHandoffs;
  readonly handOver: () => Promise<Denial | undefined>;
}

/** The same handoff, decided when the model asks for it, and leading to a guarded agent. */
export function guardedHandoff(
  handoff: SdkHandoff,
  { from, to, refused, handOver }: HandoffPlan,
): SdkHandoff {
  const copy = Object.create(Object.getPrototypeOf(handoff) as object) as SdkHandoff;
  return Object.assign(copy, handoff, {
    agent: to,
    onInvokeHandoff: async (run: object, input: string) => {
      const denial = await handOver();
      refused.note(run, handoff.toolName, denial);
      if (denial) return from;
      const receiver = await handoff.onInvokeHandoff(run, input);
      if (receiver === handoff.agent) return to;
      throw new ConfigurationError(`the handoff ${handoff.toolName} leads to another agent than it names`);
    },
  });
}
