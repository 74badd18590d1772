import type { AuditRecord } from "../core/audit-record";

/** One record as one line: JSON escapes line feeds, and the two separators that some readers take for one are escaped here. */
export function jsonLine(record: AuditRecord): string {
  return JSON.stringify(record).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
