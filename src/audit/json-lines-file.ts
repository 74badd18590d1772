import {
  appendFileSync,
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  openSync,
  readSync,
  statSync,
} from "node:fs";
import { promisify } from "node:util";
import * as z from "zod";
import type { AuditRecord } from "../core/audit-record";
import { parseOptions } from "../core/options";
import type { AuditSink } from "../core/ports";
import { jsonLine } from "./json-line";

/** Options of {@link jsonLinesFile}. */
export interface JsonLinesFileOptions {
  /** Wait until the disk has each batch of records (`fdatasync`). Default false: the operating system has them. */
  readonly sync?: boolean;
}

export interface JsonLinesFile extends AuditSink {
  /** Appends one record. Rejects when the operating system did not take it. */
  write(record: AuditRecord): Promise<void>;
  /** Waits for what is being written, and closes the file. */
  close(): Promise<void>;
}

const schema = z.strictObject({
  path: z.union([z.string().min(1), z.instanceof(URL)]),
  sync: z.boolean().default(false),
});

const toDisk = promisify(fdatasync);

/** Without O_NONBLOCK a pipe that nobody empties would stop the process; with it the write fails, and nothing is allowed. */
const FLAGS = constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_NONBLOCK;

/**
 * Appends records to a file, one JSON line each. A record that cannot be written, because the disk is full or the file cannot be opened,
 * means that nothing is allowed. A file that is removed, or rotated away, is made anew.
 *
 * A line goes to the operating system synchronously: that takes microseconds, a twentieth of what handing it to another thread costs.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function jsonLinesFile(path: string | URL, options: JsonLinesFileOptions = {}): JsonLinesFile {
  const { sync } = parseOptions(schema, "jsonLinesFile", { path, ...options });
  let file: number | undefined;
  /** The last `fdatasync`, and the one that waits for it to end; lines that are written meanwhile share it. */
  let last: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;

  const append = (line: string): number => {
    if (file !== undefined && !isAt(path, file)) {
      if (sync) fdatasyncSync(file);
      closeSync(file);
      file = undefined;
    }
    file ??= openAtNewLine(path);
    try {
      appendFileSync(file, line);
      return file;
    } catch (error) {
      // Opened anew by the next write: the disk may have been emptied, or the folder made, meanwhile.
      closeSync(file);
      file = undefined;
      throw error;
    }
  };

  return {
    async write(record: AuditRecord): Promise<void> {
      const descriptor = append(`${jsonLine(record)}\n`);
      if (!sync) return;
      waiting ??= last = last
        .catch(() => undefined)
        .then(() => {
          waiting = undefined;
          return toDisk(descriptor);
        });
      await waiting;
    },
    async close(): Promise<void> {
      await last.catch(() => undefined);
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

/** What is open may have been removed or rotated away meanwhile: nobody would find what is written there, and the call would be allowed all the same. */
function isAt(path: string | URL, file: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  const { dev, ino } = fstatSync(file);
  return found?.ino === ino && found.dev === dev;
}

/** A full disk, or a process that was killed, may have left a line without its end, which would swallow the next record. */
function openAtNewLine(path: string | URL): number {
  const file = openSync(path, FLAGS, 0o600);
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  if (size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last.toString() !== "\n")
    appendFileSync(file, "\n");
  return file;
}
