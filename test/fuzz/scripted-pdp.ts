import type { Ledger, Saying } from "./ledger";
import { LIES, type LieName, type Told } from "./lies";
import { roll } from "./roll";
import { answerTo, type Answer, type Asked, type AskedPlan } from "./wire";

/** Authority that is taken back, in one of the ways there are. */
export interface Withdrawal {
  readonly what: "session" | "principal" | "agent" | "task" | "end of session" | "end of task";
  readonly of: 0 | 1;
}

/** What the policy lets a task use up, by the usage that it is told. */
export interface Budget {
  readonly of: "calls" | "tokens";
  readonly limit: number;
}

/** What the PDP does with one exchange. */
export type Behaviour =
  | {
      readonly act: "answer";
      readonly afterMs?: number;
      readonly reversed?: boolean;
      readonly chatty?: boolean;
    }
  | { readonly act: "lie"; readonly lie: LieName }
  /** Authority is withdrawn while the PDP thinks; it then answers soundly, and too late. */
  | { readonly act: "withdraw"; readonly withdrawal: Withdrawal };

export interface PdpScript {
  /** Makes other choices of the same script. */
  readonly salt: number;
  /** How much of what is asked is allowed, from 0 to 1. */
  readonly allows: number;
  /** Exchange by exchange; afterwards it answers soundly. */
  readonly behaviours: readonly Behaviour[];
  /** From one exchange to another nobody answers. */
  readonly outage: { readonly from: number; readonly until: number } | undefined;
  /** A PDP that allows even the canary allows everything, and nothing that it says counts. */
  readonly allowsCanary: boolean;
  readonly budget: Budget | undefined;
}

const CANARY = "hopguard_canary";

type Said = (check: Asked["resources"][number], action: string) => "allow" | "deny";

/** A PDP whose policy is chance. What it says soundly goes into the ledger at the moment it is said; what it lies does not. */
export class ScriptedPdp {
  #exchange = 0;
  #previous: Answer | undefined;

  constructor(
    private readonly script: PdpScript,
    private readonly ledger: Ledger,
    private readonly withdraw: (withdrawal: Withdrawal) => Promise<void>,
    /** Whether what is told is as good as no answer at all, to whoever asks. */
    private readonly isSilence: (told: Told) => boolean,
  ) {}

  async check(asked: Asked): Promise<Told> {
    if (asked.principal.id === CANARY) {
      return { value: answerTo(asked, () => (this.script.allowsCanary ? "allow" : "deny")) };
    }
    const behaviour = this.#behaviour(this.#exchange++);
    if (behaviour.act === "lie") {
      const answer = answerTo(asked, () => "allow");
      const told = LIES[behaviour.lie]({ answer, asked, previous: this.#previous });
      if (this.isSilence(told)) this.#note(asked, () => "silence");
      return told;
    }
    if (behaviour.act === "withdraw") await this.withdraw(behaviour.withdrawal);
    else if (behaviour.afterMs !== undefined) await later(behaviour.afterMs);

    const effect: Said = (check, action) => this.#effect(asked, check, action);
    const sound = answerTo(asked, effect);
    this.#previous = sound;
    this.#note(asked, effect);
    return { value: behaviour.act === "answer" ? embellished(sound, behaviour) : sound };
  }

  plan(asked: AskedPlan): Told {
    const { requestId, principal, resource, action } = asked;
    const chance = roll(this.script.salt, "plan", principal.id, resource.kind, action);
    if (chance > 0.97)
      return { value: { requestId: "another", action, filter: { kind: "KIND_ALWAYS_ALLOWED" } } };
    if (chance > 0.94) return { value: { requestId, action, filter: { kind: "KIND_UNSPECIFIED" } } };
    const visibility = chance < 0.1 ? "always" : chance < 0.6 ? "conditional" : "never";
    this.ledger.plan({ principal, kind: resource.kind, action, visibility });
    return { value: { requestId, action, filter: { kind: PLAN_KINDS[visibility] } } };
  }

  #behaviour(exchange: number): Behaviour {
    const { behaviours, outage } = this.script;
    if (outage && exchange >= outage.from && exchange < outage.until) return { act: "lie", lie: "reset" };
    const behaviour = behaviours[exchange] ?? { act: "answer" };
    // Whether an answer came in time cannot be known for sure, so where silence may let a hop pass there is no late one.
    return outage && behaviour.act === "lie" && behaviour.lie === "hang"
      ? { act: "lie", lie: "reset" }
      : behaviour;
  }

  #effect({ principal }: Asked, { resource }: Asked["resources"][number], action: string): "allow" | "deny" {
    const { kind, id, attr } = resource;
    if (!this.#isWithinBudget(attr)) return "deny";
    // Without the part that is made for each decision: the same call again is answered alike.
    const name = /^(?:mcp|tool|a2a)_/.test(kind) ? undefined : id;
    const chance = roll(this.script.salt, principal.id, principal.roles, kind, name, action, attr.arguments);
    // A server that cannot be opened says nothing about its calls.
    const allows = action === "initialize" ? Math.sqrt(Math.sqrt(this.script.allows)) : this.script.allows;
    return chance < allows ? "allow" : "deny";
  }

  /** As a policy reads it: what it was not told is no proof. */
  #isWithinBudget({ context }: Readonly<Record<string, unknown>>): boolean {
    const { budget } = this.script;
    const usage = (context as { usage?: { task?: Readonly<Record<string, number>> } } | undefined)?.usage;
    return budget === undefined || (usage?.task?.[budget.of] ?? Infinity) <= budget.limit;
  }

  #note(asked: Asked, said: (...of: Parameters<Said>) => Saying["effect"]): void {
    if (this.script.allowsCanary) return;
    const session = asked.requestContext?.annotations?.["hopguard.session"];
    for (const check of asked.resources) {
      for (const action of check.actions) {
        const effect = said(check, action);
        this.ledger.says({ principal: asked.principal, resource: check.resource, action, effect, session });
      }
    }
  }
}

const PLAN_KINDS = {
  always: "KIND_ALWAYS_ALLOWED",
  conditional: "KIND_CONDITIONAL",
  never: "KIND_ALWAYS_DENIED",
} as const;

/** Sound all the same: results are found by what they are for, and outputs decide nothing. */
function embellished(
  answer: Answer,
  { reversed = false, chatty = false }: Extract<Behaviour, { act: "answer" }>,
): Answer {
  const results = answer.results.map((result) => ({
    ...result,
    ...(chatty && {
      outputs: Object.keys(result.actions).map((action) => ({
        src: "resource.fuzz#rule",
        action,
        val: { effect: "EFFECT_ALLOW", reason: "EFFECT_ALLOW" },
      })),
    }),
  }));
  return { ...answer, results: reversed ? results.reverse() : results };
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
