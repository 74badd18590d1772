import type { Decision } from "../../core/decision";
import type { DelegateOptions } from "../../core/delegate";
import { AuthorizationDeniedError, denialError } from "../../core/errors";
import type { HopSnapshot } from "../../core/hop";
import type { Session } from "../../core/session";

/**
 * The session of an agent that work is handed to. Authority is delegated when the work is handed over; a run that is resumed elsewhere, where
 * nobody has handed over yet, has it delegated when it is first needed. Whether it may be is the policy's to say each time.
 */
export class HandedOverSession implements Session {
  #current: Promise<Session> | undefined;
  #latest: Session | undefined;
  /** Who decided on a hop watches over it, though authority was delegated again since. */
  readonly #deciders = new WeakMap<HopSnapshot, Session>();
  readonly #from: Session;
  readonly #options: DelegateOptions;
  readonly agent: string;

  constructor(from: Session, to: string, options: Omit<DelegateOptions, "to">) {
    this.#from = from;
    this.#options = { to, ...options };
    this.agent = to;
  }

  get id(): string {
    return this.#from.id;
  }

  get task(): string | undefined {
    return this.#from.task;
  }

  get principal(): Session["principal"] {
    return this.#from.principal;
  }

  get auth(): Session["auth"] {
    return this.#from.auth;
  }

  get countsUsage(): boolean {
    return this.#from.countsUsage;
  }

  get delegation(): string | undefined {
    return this.#latest?.delegation;
  }

  /** Delegates anew. @throws {AuthorizationDeniedError} where that is denied; what was delegated before stays as it was. */
  async renew(): Promise<void> {
    const session = await this.#from.delegate(this.#options);
    this.#current = Promise.resolve(session);
    this.#latest = session;
  }

  async check(...args: Parameters<Session["check"]>): Promise<Decision> {
    let session: Session;
    try {
      session = await this.#session();
    } catch (error) {
      if (!AuthorizationDeniedError.isInstance(error)) throw error;
      return { effect: "deny", decisionId: error.denial.decision_id, denial: error.denial };
    }
    const decision = await session.check(...args);
    if (decision.effect === "allow") this.#deciders.set(decision.hop, session);
    return decision;
  }

  async authorize(...args: Parameters<Session["authorize"]>): ReturnType<Session["authorize"]> {
    const decision = await this.check(...args);
    if (decision.effect === "deny") throw denialError(decision.denial);
    return decision;
  }

  watch(...[hops, end, options]: Parameters<Session["watch"]>): () => void {
    const watched = [hops].flat();
    const decider = watched
      .map((hop) => this.#deciders.get(hop as HopSnapshot))
      .find((session) => session !== undefined);
    if (!decider) throw new Error("only a hop that was allowed here can be watched");
    return decider.watch(watched, end, options);
  }

  async delegate(...args: Parameters<Session["delegate"]>): ReturnType<Session["delegate"]> {
    return (await this.#session()).delegate(...args);
  }

  async delegationToken(): Promise<string> {
    return (await this.#session()).delegationToken();
  }

  async end(): Promise<void> {
    await (await this.#session()).end();
  }

  async visible(...args: Parameters<Session["visible"]>): ReturnType<Session["visible"]> {
    return (await this.#session()).visible(...args);
  }

  async capabilities(...args: Parameters<Session["capabilities"]>): ReturnType<Session["capabilities"]> {
    return (await this.#session()).capabilities(...args);
  }

  async #session(): Promise<Session> {
    const delegating = (this.#current ??= this.#from.delegate(this.#options));
    try {
      return (this.#latest = await delegating);
    } catch (error) {
      // A denial is no session: the next call asks again.
      if (this.#current === delegating) this.#current = undefined;
      throw error;
    }
  }
}
