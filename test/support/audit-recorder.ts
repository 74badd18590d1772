import type { AuditRecord } from "hopguard";
import { recordingAudit, type RecordingAudit } from "hopguard/testing";

/** The package's own recording sink, asked by decision. */
export interface AuditRecorder extends RecordingAudit {
  /** The records of one decision. */
  of(decisionId: string): readonly AuditRecord[];
}

export function auditRecorder(): AuditRecorder {
  const audit = recordingAudit();
  return {
    ...audit,
    of: (decisionId) => audit.records.filter((record) => record.decision_id === decisionId),
  };
}
