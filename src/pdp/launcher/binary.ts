import { createRequire } from "node:module";
import { ConfigurationError } from "../../core/errors";

/**
 * The executable that belongs to the npm package `cerbos`. The package's own command is a Node script that waits for
 * the executable: a signal would end the script and leave the PDP behind.
 *
 * @throws {ConfigurationError} when the package, or its build for this platform, is not installed.
 */
export function installedBinary(): string {
  const build = `@cerbos/cerbos-${process.platform}-${process.arch}`;
  try {
    const cerbos = createRequire(import.meta.url).resolve("cerbos/package.json");
    return createRequire(cerbos).resolve(build);
  } catch (cause) {
    throw new ConfigurationError(
      `startPdp.binary: neither given nor found in the npm package cerbos (${build}). ` +
        "Run `npm install --save-dev cerbos`, or pass the path of a Cerbos executable as `binary`",
      { cause },
    );
  }
}
