import { ConfigurationError } from "../index";

/** What of Node's `fs/promises` is needed here. */
interface Files {
  readFile(path: string | URL, encoding: "utf8"): Promise<string>;
}

interface RuntimeProcess {
  getBuiltinModule?: (name: string) => unknown;
}

/**
 * Reads files, where there are any. Node's module is asked for by name and not imported, because this also runs where there is no Node.
 *
 * @throws {ConfigurationError} naming the option, where there are no files.
 */
export function filesFor(option: string): Files {
  const { process } = globalThis as { process?: RuntimeProcess };
  const files = process?.getBuiltinModule?.("node:fs/promises") as Files | undefined;
  if (!files) throw new ConfigurationError(`${option}: files need Node, 20.16 or later`);
  return files;
}
