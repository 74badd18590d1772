import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fixture } from "./fixtures";

/** A Cerbos executable to test against. */
export interface PdpBinary {
  readonly version: string;
  readonly binary: string;
}

const PACKAGE = `@cerbos/cerbos-${process.platform}-${process.arch}`;

/**
 * The Cerbos binaries to test against, oldest first: the one of the devDependency, and on linux-x64 the newer one of a
 * fixture.
 */
export function pdpBinaries(): readonly PdpBinary[] {
  const ours = createRequire(import.meta.url);
  const binaries = [locate(createRequire(ours.resolve("cerbos/package.json")))];
  if (PACKAGE === "@cerbos/cerbos-linux-x64") binaries.push(locate(fixture("pdp-0.55")));
  return binaries;
}

function locate(require: NodeJS.Require): PdpBinary {
  const manifest = JSON.parse(readFileSync(require.resolve(`${PACKAGE}/package.json`), "utf8")) as {
    version: string;
  };
  return { version: manifest.version, binary: require.resolve(PACKAGE) };
}
