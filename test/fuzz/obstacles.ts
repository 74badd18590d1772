import {
  memoryState,
  type AttributeProvider,
  type AuditSink,
  type Guardrail,
  type StateStore,
} from "hopguard";
import type { Circumstances, Objector } from "./circumstances";
import type { Ledger } from "./ledger";
import { roll } from "./roll";

/** What a hop is called by those who object to it. */
export interface HopName {
  readonly kind: string;
  readonly name: string;
  readonly action: string;
}

/** The operator's own hooks, and which hops they get in the way of. Chance decides, and the oracle can ask it as well. */
export class Obstacles {
  constructor(private readonly circumstances: Circumstances) {}

  /** Who or what would not let a hop pass, whatever the PDP says. */
  objectionTo(hop: HopName): string | undefined {
    const { state, allowsCanary, guardrail, enrichment, audit } = this.circumstances;
    if (state !== "sound") return state;
    if (allowsCanary) return "a PDP that allows everything";
    if (this.#objects("guardrail", guardrail, hop)) return "the guardrail";
    if (this.#objects("enrichment", enrichment, hop)) return "the attribute provider";
    return this.#objects("audit", audit, hop) ? "the audit sink" : undefined;
  }

  /** `R.attr.facts`, as the policy must have been told them. */
  factsOf(hop: HopName): Readonly<Record<string, unknown>> {
    return { risk: this.#fact("risk", hop), screening: { score: this.#fact("screening", hop) } };
  }

  #objects(who: string, objector: Objector | undefined, { kind, name, action }: HopName): boolean {
    return objector !== undefined && roll(this.circumstances.salt, who, kind, name, action) < objector.part;
  }

  #fact(who: string, { kind, name, action }: HopName): number {
    return Math.round(1000 * roll(this.circumstances.salt, "fact", who, kind, name, action));
  }

  guardrail(): Guardrail {
    const { guardrail } = this.circumstances;
    return {
      name: "screening",
      check: ({ hop }) => {
        if (this.#objects("guardrail", guardrail, hop)) {
          if (guardrail?.how === "deny") return { deny: { reason: "Not today." } };
          return obstruct(guardrail) as never;
        }
        return { facts: { score: this.#fact("screening", hop) } };
      },
    };
  }

  enrichment(): AttributeProvider {
    const { enrichment } = this.circumstances;
    return {
      name: "risk",
      provide: ({ hop }) =>
        this.#objects("enrichment", enrichment, hop)
          ? (obstruct(enrichment) as never)
          : Promise.resolve(this.#fact("risk", hop)),
    };
  }

  /** A sink that answers nonsense has taken the record: only throwing, rejecting and hanging fail. */
  audit(ledger: Ledger): AuditSink {
    const { audit } = this.circumstances;
    return {
      write: (record) => {
        if (this.#objects("audit", audit, record.hop)) {
          const isSilent = audit?.how === "deny" || audit?.how === "nonsense";
          return obstruct(isSilent ? { ...audit, how: "reject" } : audit) as never;
        }
        ledger.record(record);
        return undefined;
      },
    };
  }
}

/** Gets in the way, in whichever manner. */
function obstruct(objector: Objector | undefined): unknown {
  switch (objector?.how) {
    case "throw":
      throw new Error("broken at 10.0.0.7:5432");
    case "hang":
      return new Promise<never>(() => undefined);
    case "nonsense":
      // No fact that JSON could hold, and neither facts nor a denial.
      return Object.assign(() => undefined, { effect: "allow" });
    default:
      return Promise.reject(new Error("broken at 10.0.0.7:5432"));
  }
}

/** State in memory, or one that cannot be read. */
export function stateOf({ state }: Circumstances): StateStore {
  const sound = memoryState();
  const fails = (): never => {
    throw new Error("broken at 10.0.0.7:6379");
  };
  return {
    ...sound,
    revocations: { ...sound.revocations, ...(state === "revocations fail" && { find: fails }) },
    session: (id, startedAt) => ({
      ...sound.session(id, startedAt),
      ...(state === "counting fails" && { begin: fails }),
    }),
  };
}
