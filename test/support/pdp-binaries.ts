import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** A Cerbos executable to test against. */
export interface PdpBinary {
  readonly version: string;
  readonly binary: string;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FIXTURE = `${ROOT}test/fixtures/pdp-0.55/`;
const PACKAGE = `@cerbos/cerbos-${process.platform}-${process.arch}`;

/**
 * The Cerbos binaries to test against, oldest first: the one of the devDependency, and on linux-x64 the newer one of the
 * fixture folder, which is installed when it is missing.
 */
export function pdpBinaries(): readonly PdpBinary[] {
  const binaries = [locate(createRequire(import.meta.url).resolve("cerbos/package.json"))];
  if (PACKAGE === "@cerbos/cerbos-linux-x64") {
    if (!existsSync(`${FIXTURE}node_modules`)) installFixture();
    binaries.push(locate(`${FIXTURE}package.json`));
  }
  return binaries;
}

function locate(from: string): PdpBinary {
  const require = createRequire(from);
  const manifest = JSON.parse(readFileSync(require.resolve(`${PACKAGE}/package.json`), "utf8")) as {
    version: string;
  };
  return { version: manifest.version, binary: require.resolve(PACKAGE) };
}

/** Installs beside and moves into place: test files run in parallel, and none may see another's half-done work. */
function installFixture(): void {
  const folder = mkdtempSync(`${ROOT}node_modules/.pdp-`);
  try {
    copyFileSync(`${FIXTURE}package.json`, `${folder}/package.json`);
    const flags = ["--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", ["install", "--prefix", folder, ...flags], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    renameSync(`${folder}/node_modules`, `${FIXTURE}node_modules`);
  } catch (error) {
    // Another process was first.
    if (!existsSync(`${FIXTURE}node_modules`)) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
