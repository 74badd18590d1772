import type { Ledger } from "./ledger";
import { LIES, type LieName, type Told } from "./lies";
import { roll } from "./roll";
import { answerTo, type Answer, type Asked, type AskedPlan } from "./wire";

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
  | {
      readonly act: "revoke";
      readonly target: "session" | "principal" | "agent" | "task";
      readonly of: 0 | 1;
    };

export interface PdpScript {
  /** Makes other choices of the same script. */
  readonly salt: number;
  /** How much of what is asked is allowed, from 0 to 1. */
  readonly allows: number;
  /** Exchange by exchange; afterwards it answers soundly. */
  readonly behaviours: readonly Behaviour[];
  /** A PDP that allows even the canary allows everything, and nothing that it says counts. */
  readonly allowsCanary: boolean;
}

const CANARY = "hopguard_canary";

/** A PDP whose policy is chance. What it says soundly goes into the ledger at the moment it is said; what it lies does not. */
export class ScriptedPdp {
  #exchange = 0;
  #previous: Answer | undefined;

  constructor(
    private readonly script: PdpScript,
    private readonly ledger: Ledger,
    private readonly revoke: (behaviour: Extract<Behaviour, { act: "revoke" }>) => Promise<void>,
  ) {}

  async check(asked: Asked): Promise<Told> {
    if (asked.principal.id === CANARY) {
      return { value: answerTo(asked, () => (this.script.allowsCanary ? "allow" : "deny")) };
    }
    const behaviour = this.script.behaviours[this.#exchange++] ?? { act: "answer" };
    if (behaviour.act === "lie") {
      const answer = answerTo(asked, () => "allow");
      return LIES[behaviour.lie]({ answer, asked, previous: this.#previous });
    }
    if (behaviour.act === "revoke") await this.revoke(behaviour);
    else if (behaviour.afterMs !== undefined) await later(behaviour.afterMs);

    const sound = answerTo(asked, (check, action) => this.#effect(asked, check, action));
    this.#previous = sound;
    this.#note(asked);
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

  #effect({ principal }: Asked, { resource }: Asked["resources"][number], action: string): "allow" | "deny" {
    const { kind, id, attr } = resource;
    // Without the part that is made for each decision: the same call again is answered alike.
    const name = /^(?:mcp|tool|a2a)_/.test(kind) ? undefined : id;
    const chance = roll(this.script.salt, principal.id, principal.roles, kind, name, action, attr.arguments);
    // A server that cannot be opened says nothing about its calls.
    const allows = action === "initialize" ? Math.sqrt(Math.sqrt(this.script.allows)) : this.script.allows;
    return chance < allows ? "allow" : "deny";
  }

  #note(asked: Asked): void {
    if (this.script.allowsCanary) return;
    const session = asked.requestContext?.annotations?.["hopguard.session"];
    for (const check of asked.resources) {
      for (const action of check.actions) {
        const effect = this.#effect(asked, check, action);
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
