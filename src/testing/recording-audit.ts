import type { AuditRecord, AuditSink } from "../index";

/** An audit sink that keeps what it is given. */
export interface RecordingAudit extends AuditSink {
  /** Oldest first. */
  readonly records: readonly AuditRecord[];
  /** Makes every later write reject, as a full disk would; `undefined` ends it. */
  failWith(error: Error | undefined): void;
}

/** Makes an audit sink for tests. */
export function recordingAudit(): RecordingAudit {
  const records: AuditRecord[] = [];
  let failure: Error | undefined;
  return {
    records,
    failWith(error) {
      failure = error;
    },
    write(record) {
      if (failure) return Promise.reject(failure);
      records.push(record);
      return undefined;
    },
  };
}
