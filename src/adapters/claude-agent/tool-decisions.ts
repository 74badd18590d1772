import type { DenyDecision, SettledOutcome } from "../../core/decision";
import { within } from "../../core/deadline";
import type { Denial } from "../../core/denial";
import type { AgentTools } from "../shared/agent-tools/agent-tools";
import type { JointAllow } from "../shared/joint-decision";

/** A call of a tool, as hooks and `canUseTool` see it. */
export interface ClaudeToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  readonly signal: AbortSignal;
}

interface Running {
  readonly decision: JointAllow;
  readonly stopWatch: () => void;
}

export interface ToolDecisionsOptions {
  /** What is known of a tool's arguments, if the operator says nothing of them. */
  readonly schemaOf: (name: string) => unknown;
  /** Milliseconds that a decision may take. */
  readonly deadlineMs: number;
  readonly onDenial:
    ((denial: Denial, call: { readonly id: string; readonly name: string }) => void) | undefined;
  /** That the run is over: what is not decided by then is denied. */
  readonly aborted: AbortSignal;
  /** Ends the run, because authority was withdrawn while a tool ran. */
  readonly withdraw: (denial: Denial) => void;
}

/** Decides the calls of one agent, and follows those that run: the process that runs them says only by a hook how a call has gone. */
export class ToolDecisions {
  readonly #running = new Map<string, Running>();
  /** What ends the watch over calls that go on in the background, by the ids of their tasks. Claude has their result by then. */
  readonly #background = new Map<string, () => void>();
  #isClosed = false;
  /** Calls that a person is asked about, by their ids. */
  readonly #asked = new Map<string, Denial>();

  constructor(
    private readonly tools: AgentTools,
    private readonly options: ToolDecisionsOptions,
  ) {}

  /** Decides a call and, where it is allowed, watches over it. Rejects once the deadline has passed. */
  async decide({ id, name, input, signal }: ClaudeToolCall): Promise<JointAllow | DenyDecision> {
    this.settle(id, "failed");
    const { deadlineMs, schemaOf, onDenial, withdraw, aborted } = this.options;
    const decision = await within(
      // What does not heed the signal.
      deadlineMs + 1000,
      "the decision",
      this.tools.decide({
        ...{ name, arguments: input, schema: schemaOf(name) },
        signal: AbortSignal.any([signal, aborted, AbortSignal.timeout(deadlineMs)]),
      }),
    );
    // Of a process that is gone by now: nobody would say how the call has gone.
    if (this.#isClosed && decision.effect === "allow") {
      decision.settle("unknown");
      throw new Error("the run is over");
    }
    if (decision.effect === "allow") {
      this.#running.set(id, { decision, stopWatch: decision.watch(withdraw) });
    } else onDenial?.(decision.denial, { id, name });
    return decision;
  }

  /** Remembers what a person is asked about. */
  ask(id: string, denial: Denial): void {
    this.#asked.set(id, denial);
  }

  /** The denial that a person is asked about, if this is what the question is about. */
  asked(id: string): Denial | undefined {
    const denial = this.#asked.get(id);
    this.#asked.delete(id);
    return denial;
  }

  /** Says how a call has gone. Only the first word counts. One that goes on as a task in the background is watched on. */
  settle(id: string, outcome: SettledOutcome, task?: string): void {
    const running = this.#running.get(id);
    if (!running) return;
    this.#running.delete(id);
    if (task === undefined) running.stopWatch();
    else {
      this.#background.get(task)?.();
      this.#background.set(task, running.stopWatch);
    }
    running.decision.settle(outcome);
  }

  /** Says which tasks still go on in the background. */
  goOn(tasks: ReadonlySet<string>): void {
    for (const [task, stopWatch] of this.#background) {
      if (tasks.has(task)) continue;
      this.#background.delete(task);
      stopWatch();
    }
  }

  /** The process is gone; how the calls went that were under way nobody knows. */
  close(): void {
    this.#isClosed = true;
    for (const id of this.#running.keys()) this.settle(id, "unknown");
    this.goOn(new Set());
    this.#asked.clear();
  }
}
