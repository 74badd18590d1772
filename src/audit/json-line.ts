import type { AuditRecord } from "../core/audit-record";

/** What JSON leaves as it is and a reader of lines, or a terminal, may act on: delete, C1 controls, separators, bidirectional marks. */
const ACTIVE = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** One record as one line of JSON, escaped so that whoever prints it sees the text and none of its effects. */
export function jsonLine(record: AuditRecord): string {
  return JSON.stringify(record).replace(
    ACTIVE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
