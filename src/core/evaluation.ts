import type { AuditFlag } from "./audit-record";
import type { Denial } from "./denial";
import type { HopSnapshot } from "./hop";
import type { JsonValue } from "./json";
import type { PdpAnswer, SessionFacts } from "./ports";
import type { CheckedPrincipal } from "./principal";

/** What is known of a hop so far. The audit record is written from it, however far the hop came. */
export interface Evaluation {
  readonly decisionId: string;
  /** Milliseconds, monotonic. */
  readonly startedAt: number;
  readonly flags: readonly AuditFlag[];
  label: Denial["hop"];
  hop?: HopSnapshot;
  /** Of a model: its name as it was requested, and what that stands for; the canonical id comes last. */
  models?: readonly [string, ...string[]];
  /** Of the arguments as they are sent. A promise, because Web Crypto has no other; it is awaited when the record is written. */
  digest?: Promise<string>;
  checked?: readonly [CheckedPrincipal, ...CheckedPrincipal[]];
  readonly facts: Record<string, JsonValue>;
  session?: SessionFacts;
  answers: readonly PdpAnswer[];
}

export function newEvaluation(label: Denial["hop"], flags: readonly AuditFlag[] = []): Evaluation {
  // Without a prototype: a fact named `__proto__` or `constructor` is only a name.
  const facts = Object.create(null) as Record<string, JsonValue>;
  const decisionId = crypto.randomUUID();
  return { decisionId, startedAt: performance.now(), flags, label, facts, answers: [] };
}
