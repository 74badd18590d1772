import type { Denial } from "../../core/denial";
import { AuthorizationDeniedError, ConfigurationError } from "../../core/errors";
import { isKindPart } from "../../core/names";
import type { Session } from "../../core/session";
import { HandedOverSession } from "./handed-over-session";
import type { SdkAgent } from "./framework";
import type { HandedOn } from "./options";

/** On whose authority agents act: that of the session that the guard was given, or what was handed on of it. */
export class Authority {
  readonly #children = new Map<SdkAgent, Authority>();
  /** Those that act on it because work was handed to them here. */
  readonly #received = new Set<SdkAgent>();

  constructor(
    readonly session: Session,
    /** The agent that it was given to. Others may act on it after a handoff that grants nothing of its own. */
    private readonly holder: SdkAgent,
    private readonly agents: ReadonlyMap<string, HandedOn>,
    private readonly from?: Authority,
  ) {}

  /** The SDK's names of those that it went through, the user's own agent first. */
  get path(): readonly string[] {
    return this.#above.map(({ holder }) => holder.name).reverse();
  }

  /** Whom policies take the agent for. @throws {ConfigurationError} where neither the option nor its name says it. */
  nameOf(agent: SdkAgent): string {
    const { session, holder } = this.#root;
    const known = agent === holder ? session.agent : undefined;
    const name = [this.agents.get(agent.name)?.agent, known, agent.name].find(isKindPart);
    if (name !== undefined) return name;
    throw new ConfigurationError(
      `guardAgent.agents: say what policies call the agent "${agent.name}": { ${JSON.stringify(agent.name)}: { agent: "…" } }, of a-z, 0-9 and _`,
    );
  }

  /**
   * What another agent acts on when it is handed work. One that has handed on before goes on with what it had, as a caller does when the
   * called returns; all others act on this authority, or on less.
   */
  for(agent: SdkAgent): Authority {
    const before = this.#heldBy(agent);
    if (before) return before;
    const { authorization_details, agent: _, ...conditions } = this.agents.get(agent.name) ?? {};
    if (!authorization_details) return this;
    const known = this.#children.get(agent);
    if (known) return known;
    const session = new HandedOverSession(this.session, this.nameOf(agent), {
      authorization_details,
      ...conditions,
    });
    const child = new Authority(session, agent, this.agents, this);
    this.#children.set(agent, child);
    return child;
  }

  /** Decides on handing work over. Answers with the denial, and never rejects for one. */
  async handOver(agent: SdkAgent): Promise<Denial | undefined> {
    const to = this.for(agent);
    if (to.from === this && to.session instanceof HandedOverSession) {
      try {
        await to.session.renew();
        return undefined;
      } catch (error) {
        if (AuthorizationDeniedError.isInstance(error)) return error.denial;
        throw error;
      }
    }
    const decision = await this.session.check({ kind: `a2a_${this.nameOf(agent)}`, action: "delegate" });
    if (decision.effect === "deny") return decision.denial;
    decision.settle("done");
    to.#received.add(agent);
    return undefined;
  }

  /** Decides on what has not been handed over here: a saved run goes on with any agent. What was delegated is delegated again by itself. */
  async receive(agent: SdkAgent): Promise<Denial | undefined> {
    return agent === this.holder || this.#received.has(agent) ? undefined : this.handOver(agent);
  }

  /** Whether the policy never lets work be handed over. What a delegation would grant is decided when it is made. */
  async hides(agent: SdkAgent): Promise<boolean> {
    const to = this.for(agent);
    if (to.from === this) return false;
    const hop = { kind: `a2a_${this.nameOf(agent)}`, action: "delegate" };
    const decision = await this.session.check(hop, { lookUp: true });
    return decision.effect === "deny" && decision.denial.remediation?.type !== "step_up";
  }

  #heldBy(agent: SdkAgent): Authority | undefined {
    return this.#above.find(({ holder }) => holder === agent);
  }

  get #root(): Authority {
    return this.#above.at(-1) ?? this;
  }

  /** This authority and those that it comes from, the nearest first. */
  get #above(): readonly Authority[] {
    return [this, ...(this.from ? this.from.#above : [])];
  }
}
