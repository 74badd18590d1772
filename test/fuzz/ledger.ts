import type { AuditRecord } from "hopguard";
import type { Withdrawal } from "./scripted-pdp";
import type { Asked } from "./wire";

/** One effect that the PDP named, in an answer that was whole and for the request that was asked; or none, where nobody answered. */
export interface Saying {
  readonly at: number;
  readonly principal: Asked["principal"];
  readonly resource: Asked["resources"][number]["resource"];
  readonly action: string;
  readonly effect: "allow" | "deny" | "silence";
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
  /** Sessions whose authority has been withdrawn: an ALLOW comes too late for them. */
  readonly withdrawn = new Map<
    string,
    { readonly what: Withdrawal["what"]; readonly when: "before" | "meanwhile" }
  >();
  /** How often each session has counted a hop. */
  readonly counted = new Map<string, number>();
  /** What has come upstream on behalf of each task, in the unit of the policy's budget. */
  readonly spent = new Map<string, number>();
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

  withdraw(session: string, what: Withdrawal["what"], when: "before" | "meanwhile"): void {
    if (!this.withdrawn.has(session)) this.withdrawn.set(session, { what, when });
  }

  /** Adds to a sum, and answers with what it is then. */
  static add(sums: Map<string, number>, key: string, amount: number): number {
    const sum = (sums.get(key) ?? 0) + amount;
    sums.set(key, sum);
    return sum;
  }
}
