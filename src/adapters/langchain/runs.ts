import type { Denial } from "../../core/denial";
import { denialError } from "../../core/errors";
import type { Session } from "../../core/session";
import type { TokenUsage } from "../../core/usage";
import type { JointAllow } from "../shared/joint-decision";

interface Run {
  /** Which call it is: somebody may give two runs one id. */
  readonly call: unknown;
  readonly decided: Promise<JointAllow>;
  readonly idleMs: number;
  /** Withdrawn while it ran. */
  denial?: Denial;
  idle?: ReturnType<typeof setTimeout>;
  stopWatch?: () => void;
}

/** The runs of a session that are under way, by LangChain's ids: a handler that is registered twice decides once. */
export class Runs {
  readonly #runs = new Map<string, Run>();
  readonly #elsewhere = new Map<string, unknown>();

  /**
   * Decides a run, and watches over it from then on. After `idleMs` milliseconds without a word it is given up. Rejects as `decide` does, and where another
   * call is under way with this id.
   */
  async begin(id: string, call: unknown, decide: () => Promise<JointAllow>, idleMs: number): Promise<void> {
    if (this.#elsewhere.has(id) && this.#elsewhere.get(id) === call) return;
    const known = this.#runs.get(id);
    if (known) {
      if (known.call !== call) throw new Error("two calls of LangChain's run under one id");
      await known.decided;
      return;
    }
    const run: Run = { call, decided: decide(), idleMs };
    this.#runs.set(id, run);
    try {
      const allowed = await run.decided;
      run.stopWatch = allowed.watch((denial) => (run.denial = denial));
      this.#wait(id, run);
    } catch (error) {
      this.#runs.delete(id);
      throw error;
    }
  }

  /** @throws {AuthorizationDeniedError} once authority is withdrawn. */
  assertStanding(id: string): void {
    const run = this.#runs.get(id);
    if (!run) return;
    if (run.denial) throw denialError(run.denial);
    this.#wait(id, run);
  }

  /** @throws {AuthorizationDeniedError} where authority was withdrawn meanwhile: the result reaches nobody. */
  async end(id: string, outcome: "done" | "failed", usage?: TokenUsage): Promise<void> {
    const run = this.#runs.get(id);
    if (!run) return;
    await this.#forget(id, run, run.denial ? "unknown" : outcome, usage);
    if (run.denial && outcome === "done") throw denialError(run.denial);
  }

  /** Runs what was decided elsewhere, under an id that no handler of the session decides again. */
  async decidedElsewhere<T>(id: string, call: unknown, run: () => T): Promise<Awaited<T>> {
    this.#elsewhere.set(id, call);
    try {
      return await run();
    } finally {
      this.#elsewhere.delete(id);
    }
  }

  #wait(id: string, run: Run): void {
    clearTimeout(run.idle);
    run.idle = setTimeout(() => void this.#forget(id, run, "unknown"), run.idleMs);
    (run.idle as { unref?: () => void }).unref?.();
  }

  async #forget(id: string, run: Run, outcome: "done" | "failed" | "unknown", usage?: TokenUsage) {
    this.#runs.delete(id);
    clearTimeout(run.idle);
    run.stopWatch?.();
    (await run.decided).settle(outcome, usage);
  }
}

const bySession = new WeakMap<Session, Runs>();

/** The same for every guard of a session. */
export function runsOf(session: Session): Runs {
  const runs = bySession.get(session) ?? new Runs();
  bySession.set(session, runs);
  return runs;
}
