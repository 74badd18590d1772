import type { AuditRecord } from "hopguard";
import type { Asked } from "./wire";

/** One effect that the PDP named, in an answer that was whole and for the request that was asked. */
export interface Saying {
  readonly at: number;
  readonly principal: Asked["principal"];
  readonly resource: Asked["resources"][number]["resource"];
  readonly action: string;
  readonly effect: "allow" | "deny";
  /** The session that asked, as its annotation says. */
  readonly session: string | undefined;
  /** One ALLOW lets one hop pass. */
  spent: boolean;
}

/** What a query plan said of an action. */
export interface Plan {
  readonly principal: Asked["principal"];
  readonly kind: string;
  readonly action: string;
  readonly visibility: "always" | "conditional" | "never";
}

/** What was said and recorded, and when: the oracle's own memory, of which hopguard knows nothing. */
export class Ledger {
  readonly sayings: Saying[] = [];
  readonly plans: Plan[] = [];
  readonly records: (AuditRecord & { readonly at: number })[] = [];
  /** Whether a session's authority has been withdrawn, and an ALLOW comes too late for it. */
  readonly withdrawn = new Set<string>();
  #moment = 0;

  /** Moments are numbered, so that there is a before and an after within one turn of the event loop. */
  moment(): number {
    return ++this.#moment;
  }

  /** The last moment that was. */
  get now(): number {
    return this.#moment;
  }

  says(saying: Omit<Saying, "at" | "spent">): void {
    const isLate = saying.session !== undefined && this.withdrawn.has(saying.session);
    this.sayings.push({ ...saying, at: this.moment(), spent: isLate });
  }

  plan(plan: Plan): void {
    this.plans.push(plan);
  }

  record(record: AuditRecord): void {
    this.records.push({ ...record, at: this.moment() });
  }
}
