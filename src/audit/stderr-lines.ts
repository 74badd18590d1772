import type { AuditSink } from "../core/ports";
import { jsonLine } from "./json-line";

/** Each failed write rejects by itself; without a listener the stream would end the process as well. */
const ignore = (): undefined => undefined;

/**
 * The default sink: JSON lines on the error stream, where they do not mix with what a program prints. Rejects when they cannot be
 * written, of which `console.error` would say nothing; where there is no process, as in an edge runtime, the console is all there is.
 */
export function stderrLines(): AuditSink {
  return {
    write(record) {
      const line = jsonLine(record);
      const { stderr } = (globalThis as { process?: Partial<NodeJS.Process> }).process ?? {};
      if (!stderr) {
        // eslint-disable-next-line no-console -- the one place that is meant to print
        console.error(line);
        return undefined;
      }
      if (!stderr.listeners("error").includes(ignore)) stderr.on("error", ignore);
      return new Promise((resolve, reject) => {
        stderr.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
      });
    },
  };
}
