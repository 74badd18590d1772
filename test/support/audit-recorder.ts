import type { AuditRecord, AuditSink } from "hopguard";

/** A sink that keeps what was written to it. */
export interface AuditRecorder extends AuditSink {
  readonly records: readonly AuditRecord[];
  /** The records of one decision. */
  of(decisionId: string): readonly AuditRecord[];
  clear(): void;
}

export function auditRecorder(): AuditRecorder {
  const records: AuditRecord[] = [];
  return {
    records,
    write(record) {
      records.push(record);
    },
    of: (decisionId) => records.filter(({ decision_id }) => decision_id === decisionId),
    clear() {
      records.length = 0;
    },
  };
}
