import type { AttributeProvider, AuditSink, Classifier, Guardrail } from "hopguard";
import type { Circumstances, Hook, Objector } from "./circumstances";
import type { Ledger } from "./ledger";
import { roll } from "./roll";

/** What a hop is called by those who object to it. */
export interface HopName {
  readonly kind: string;
  readonly name: string;
  readonly action: string;
}

/** What a provider might say of a principal, and only the guard may. */
const CLAIMS = { type: "service", auth: { method: "jwt", verified: true }, agent: { id: "root" }, task: {} };

/** The operator's own hooks, and which hops they get in the way of. Chance decides, and the oracle can ask it as well. */
export class Obstacles {
  constructor(private readonly circumstances: Circumstances) {}

  /** Who or what would not let a hop pass, whatever the PDP says. `content` is what classifiers look at. */
  objectionTo(hop: HopName, content: string | undefined): string | undefined {
    const { state, allowsCanary, tasks } = this.circumstances;
    if (state !== "sound") return state;
    if (tasks === "not registered") return "a task that is not registered";
    if (allowsCanary) return "a PDP that allows everything";
    if (content !== undefined && this.#objector("classifier", ...classesOf(content))) return "the classifier";
    const hooks: readonly Hook[] = ["guardrail", "facts", "standing", "audit"];
    return hooks.find((hook) => this.#objector(hook, ...named(hop)));
  }

  /** `R.attr.facts`, as the policy must have been told them. */
  factsOf(hop: HopName): Readonly<Record<string, unknown>> {
    const risk = this.#number("risk", ...named(hop));
    const isSilent = this.#objector("optional", ...named(hop)) !== undefined;
    return {
      risk,
      ...(!isSilent && { rumour: risk + 1 }),
      screening: { score: this.#number("score", ...named(hop)) },
    };
  }

  /** `P.attr.clearance`. */
  clearanceOf(principal: string): number {
    return this.#number("clearance", principal);
  }

  guardrail(): Guardrail {
    return {
      name: "screening",
      check: ({ hop }) => {
        const objector = this.#objector("guardrail", ...named(hop));
        if (objector?.how === "deny") return { deny: { reason: "Not today." } };
        if (objector) return obstruct(objector) as never;
        return { facts: { score: this.#number("score", ...named(hop)) } };
      },
    };
  }

  enrichment(): readonly AttributeProvider[] {
    const { objecting } = this.circumstances;
    return [
      {
        name: "rumour",
        after: ["risk"],
        optional: true,
        provide: ({ hop, facts }) => this.#answer("optional", hop, () => (facts.risk as number) + 1),
      },
      {
        name: "risk",
        ...(!objecting.facts && { cache: { per: "hop", ttlMs: 5000 } }),
        provide: ({ hop }) => this.#answer("facts", hop, () => this.#number("risk", ...named(hop))),
      },
      {
        name: "standing",
        adds: "principal",
        keys: ["clearance"],
        ...(!objecting.standing && { cache: { per: "session", ttlMs: 5000 } }),
        provide: ({ hop, principal }) => {
          const said = { clearance: this.clearanceOf(principal.id) };
          const isPretender = this.#objector("standing", ...named(hop))?.how === "nonsense";
          return isPretender
            ? Promise.resolve({ ...said, ...CLAIMS })
            : this.#answer("standing", hop, () => said);
        },
      },
    ];
  }

  classifier(): Classifier {
    return {
      name: "words",
      classify: ({ content }) => {
        const objector = this.#objector("classifier", ...classesOf(content));
        return objector ? (obstruct(objector) as never) : classesOf(content);
      },
    };
  }

  /** A sink that answers nonsense has taken the record: only throwing, rejecting and hanging fail. */
  audit(ledger: Ledger): AuditSink {
    return {
      write: (record) => {
        const objector = this.#objector("audit", ...named(record.hop));
        if (!objector) {
          ledger.record(record);
          return undefined;
        }
        return obstruct(objector.how === "nonsense" ? { ...objector, how: "reject" } : objector) as never;
      },
    };
  }

  /** Objects to a part of what it sees, and always to the same. */
  #objector(hook: Hook, ...seen: readonly string[]): Objector | undefined {
    const objector = this.circumstances.objecting[hook];
    return objector && roll(this.circumstances.salt, hook, ...seen) < objector.part ? objector : undefined;
  }

  #answer(hook: Hook, hop: HopName, sound: () => unknown): Promise<unknown> {
    const objector = this.#objector(hook, ...named(hop));
    return objector ? (obstruct(objector) as never) : Promise.resolve(sound());
  }

  #number(what: string, ...of: readonly string[]): number {
    return Math.round(1000 * roll(this.circumstances.salt, "number", what, ...of));
  }
}

/** Letters that stand in no escape of JSON's, so that it makes no difference how a text presents what it says. */
const CLASSES = { early: /[gh]/i, middle: /[jk]/i, common: /[mops]/i, late: /[vwxyz]/i };

/** `R.attr.context.data`, of a content that says this. */
export function classesOf(content: string): readonly string[] {
  const found = Object.entries(CLASSES).filter(([, letters]) => letters.test(content));
  return found.map(([name]) => name).sort();
}

function named({ kind, name, action }: HopName): readonly string[] {
  return [kind, name, action];
}

/** Gets in the way, in whichever manner. */
function obstruct({ how }: Objector): unknown {
  switch (how) {
    case "throw":
      throw new Error("broken at 10.0.0.7:5432");
    case "hang":
      return new Promise<never>(() => undefined);
    case "nonsense":
      // No fact that JSON could hold, no list, and neither facts nor a denial.
      return Object.assign(() => undefined, { effect: "allow" });
    default:
      return Promise.reject(new Error("broken at 10.0.0.7:5432"));
  }
}
