import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { ConfigurationError } from "../../core/errors";

const KEPT_LINES = 50;

/** The PDP's log: the last lines in memory, all of them where the user wants them. */
export interface Log {
  write(line: string): void;
  /** The last lines. */
  tail(): string;
  close(): void;
}

/** @throws {ConfigurationError} when the log file cannot be opened. */
export async function openLog(target: string | ((line: string) => void) | undefined): Promise<Log> {
  const kept: string[] = [];
  const keep = (line: string): void => {
    if (kept.push(line) > KEPT_LINES) kept.shift();
  };
  const tail = (): string => kept.join("\n");

  if (typeof target !== "string") {
    const write = (line: string): void => {
      keep(line);
      target?.(line);
    };
    return { write, tail, close: () => undefined };
  }

  const file = createWriteStream(target, { flags: "a", mode: 0o600 });
  try {
    await once(file, "open");
  } catch (cause) {
    throw new ConfigurationError(`startPdp.log: ${String(cause)}`, { cause });
  }
  // A disk that fills up later takes the log, not the process that is guarded.
  file.on("error", () => undefined);
  const write = (line: string): void => {
    keep(line);
    file.write(`${line}\n`);
  };
  return { write, tail, close: () => file.end() };
}
