import type { AuditSink } from "../core/ports";
import { jsonLine } from "./json-line";

/** The default sink: JSON lines on the console's error stream, where they do not mix with what a program prints. */
export function stderrLines(): AuditSink {
  // eslint-disable-next-line no-console -- the one place that is meant to print
  return { write: (record) => console.error(jsonLine(record)) };
}
