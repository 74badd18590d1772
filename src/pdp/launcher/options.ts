import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { ConfigurationError } from "../../core/errors";
import { parseOptions } from "../../core/options";
import { installedBinary } from "./binary";

/** Where a local PDP's policies are, and how it is run. */
export interface StartPdpOptions {
  /** The folder of Cerbos policies; a relative path starts at the working directory. */
  readonly policies: string | URL;
  /**
   * Deny when a condition cannot be evaluated, instead of skipping its rule. Needs Cerbos 0.55; an older one does not
   * start. Default: `false`.
   */
  readonly strict?: boolean | undefined;
  /** What a principal or resource that does not fit its schema leads to. Default: `"reject"`. */
  readonly schemaEnforcement?: "none" | "warn" | "reject" | undefined;
  /** Apply edits of the policies while the PDP runs, some seconds after they are saved. Default: `true`. */
  readonly watch?: boolean | undefined;
  /** Path of a Cerbos executable. Default: the one in the npm package `cerbos`. */
  readonly binary?: string | undefined;
  /** The TCP port on 127.0.0.1. Default: a free one. */
  readonly port?: number | undefined;
  /**
   * Where the PDP's log goes, line by line: a file, appended to, or a function. It then tells of each request; without
   * it only of what is wrong, which is kept for the error of a PDP that does not start.
   */
  readonly log?: string | URL | ((line: string) => void) | undefined;
  /** How long the PDP may take to answer, in milliseconds. Default: 15,000. */
  readonly startTimeoutMs?: number | undefined;
  /** Gives up the start. A PDP that has started is stopped with `stop()`. */
  readonly signal?: AbortSignal | undefined;
}

const path = z.union([z.string().min(1), z.instanceof(URL)]).transform((value, context) => {
  try {
    return resolve(value instanceof URL ? fileURLToPath(value) : value);
  } catch {
    context.addIssue("expected a path or a file: URL");
    return z.NEVER;
  }
});

const logFunction = z.custom<(line: string) => void>((value) => typeof value === "function");

const schema = z.strictObject({
  policies: path,
  strict: z.boolean().default(false),
  schemaEnforcement: z.enum(["none", "warn", "reject"]).default("reject"),
  watch: z.boolean().default(true),
  binary: path.optional(),
  port: z.int().min(1).max(65_535).optional(),
  log: z.union([logFunction, path], { error: "expected a path, a file: URL or a function" }).optional(),
  startTimeoutMs: z.int().min(1).max(2_147_483_647).default(15_000),
  signal: z.instanceof(AbortSignal).optional(),
});

/** The options with every default in place and every path absolute. */
export type Settings = z.output<typeof schema> & { readonly binary: string };

/**
 * Reads the options and looks that what they name is there.
 *
 * @throws {ConfigurationError} naming the option.
 */
export async function readOptions(options: StartPdpOptions): Promise<Settings> {
  if (process.platform === "win32") {
    throw new ConfigurationError(
      "startPdp: there is no Cerbos for Windows. Run it in WSL or a container, and give cerbos() its URL",
    );
  }
  const settings = parseOptions(schema, "startPdp", options);
  const folder = await stat(settings.policies).catch(() => undefined);
  if (!folder?.isDirectory()) {
    throw new ConfigurationError(`startPdp.policies: there is no folder ${settings.policies}`);
  }
  const binary = settings.binary ?? installedBinary();
  if (!(await isExecutable(binary))) {
    throw new ConfigurationError(`startPdp.binary: ${binary} is not an executable file`);
  }
  return { ...settings, binary };
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}
