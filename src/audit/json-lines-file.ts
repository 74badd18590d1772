import { open, type FileHandle } from "node:fs/promises";
import { z } from "zod";
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

/**
 * Appends records to a file, one JSON line each. `write` resolves when the operating system has the line, and rejects when the disk is full or
 * the file cannot be opened: then nothing is allowed. Records that arrive while a write is under way go out together with the next.
 *
 * @throws {ConfigurationError} naming the wrong option.
 */
export function jsonLinesFile(path: string | URL, options: JsonLinesFileOptions = {}): JsonLinesFile {
  const { sync } = parseOptions(schema, "jsonLinesFile", { path, ...options });
  let file: Promise<FileHandle> | undefined;
  let waiting: { lines: string[]; written: Promise<void> } | undefined;
  let last: Promise<void> = Promise.resolve();

  const flush = async (batch: { lines: string[] }): Promise<void> => {
    waiting = undefined;
    file ??= openAtNewLine(path);
    try {
      const handle = await file;
      await handle.appendFile(batch.lines.join(""));
      if (sync) await handle.datasync();
    } catch (error) {
      // Opened anew by the next write: the disk may have been emptied, or the folder made, meanwhile.
      const broken = file;
      file = undefined;
      await broken.then((handle) => handle.close()).catch(() => undefined);
      throw error;
    }
  };

  return {
    write(record: AuditRecord): Promise<void> {
      if (!waiting) {
        const batch: { lines: string[]; written: Promise<void> } = { lines: [], written: Promise.resolve() };
        // A batch begins when the one before it has ended, however that ended.
        batch.written = last.catch(() => undefined).then(() => flush(batch));
        waiting = batch;
        last = batch.written;
      }
      waiting.lines.push(`${jsonLine(record)}\n`);
      return waiting.written;
    },
    async close(): Promise<void> {
      await last.catch(() => undefined);
      await (await file)?.close();
      file = undefined;
    },
  };
}

/** A full disk, or a process that was killed, may have left a line without its end, which would swallow the next record. */
async function openAtNewLine(path: string | URL): Promise<FileHandle> {
  const file = await open(path, "a+", 0o600);
  const { size } = await file.stat();
  if (size > 0) {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    if (buffer.toString() !== "\n") await file.appendFile("\n");
  }
  return file;
}
