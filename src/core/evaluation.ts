import type { AuditFlag } from "./audit-record";
import type { Denial } from "./denial";
import type { HopSnapshot } from "./hop";
import type { JsonValue } from "./json";
import type { ModelFacts } from "./model-facts";
import type { AuxData, HopStanding, PdpAnswer, Usage, UsageAccount } from "./ports";
import type { CheckedPrincipal } from "./principal";

/** What is known of a hop so far. The audit record is written from it, however far the hop came. */
export interface Evaluation {
  readonly decisionId: string;
  /** Milliseconds, monotonic. */
  readonly startedAt: number;
  readonly flags: AuditFlag[];
  label: Denial["hop"];
  hop?: HopSnapshot;
  /** Of a model: its name as it was requested, and what that stands for; the canonical id comes last. */
  models?: readonly [string, ...string[]];
  /** Of the arguments as they are sent. A promise, because Web Crypto has no other; it is awaited when the record is written. */
  digest?: Promise<string>;
  checked?: readonly [CheckedPrincipal, ...CheckedPrincipal[]];
  /** What the PDP reads beside them. */
  auxData?: AuxData | undefined;
  /** What the operator knows of the model. */
  modelFacts?: ModelFacts | undefined;
  readonly facts: Record<string, JsonValue>;
  /** What classifiers have found in the content. */
  data?: readonly string[];
  /** The sums that the hop is counted in, and what was added to them before it was decided. */
  accounts: readonly UsageAccount[];
  reserved?: Usage;
  /** How things stand; there once the hop has been counted, or for a look-up read. */
  standing?: HopStanding;
  /** What went wrong and did not matter, for the record. */
  readonly notes: string[];
  answers: readonly PdpAnswer[];
}

export function newEvaluation(label: Denial["hop"], flags: readonly AuditFlag[] = []): Evaluation {
  // Without a prototype: a fact named `__proto__` or `constructor` is only a name.
  const facts = Object.create(null) as Record<string, JsonValue>;
  const decisionId = crypto.randomUUID();
  return {
    decisionId,
    startedAt: performance.now(),
    flags: [...flags],
    label,
    facts,
    accounts: [],
    notes: [],
    answers: [],
  };
}
