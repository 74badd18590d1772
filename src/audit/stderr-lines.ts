import type { AuditSink } from "../core/ports";
import { jsonLine } from "./json-line";

/** Each failed write rejects by itself; without a listener the stream would end the process as well. */
const ignore = (): undefined => undefined;

/**
 * The default sink: JSON lines on the error stream, where they do not mix with what a program prints. Rejects when they cannot be
 * written, of which `console.error` would say nothing.
 */
export function stderrLines(): AuditSink {
  return {
    write: (record) =>
      new Promise((resolve, reject) => {
        const { stderr } = process;
        if (!stderr.listeners("error").includes(ignore)) stderr.on("error", ignore);
        stderr.write(`${jsonLine(record)}\n`, (error) => (error ? reject(error) : resolve()));
      }),
  };
}
