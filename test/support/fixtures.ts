import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A `require` within a fixture folder, which is installed when it is missing. Fixtures hold packages that cannot live beside ours. */
export function fixture(name: string): NodeJS.Require {
  const folder = `${ROOT}test/fixtures/${name}/`;
  if (!existsSync(`${folder}node_modules`)) install(folder);
  return createRequire(`${folder}package.json`);
}

/** Installs beside and moves into place: test files run in parallel, and none may see another's half-done work. */
function install(fixture: string): void {
  const folder = mkdtempSync(`${ROOT}node_modules/.fixture-`);
  try {
    cpSync(fixture, folder, { recursive: true });
    execFileSync("npm", ["install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    renameSync(`${folder}/node_modules`, `${fixture}node_modules`);
  } catch (error) {
    // Another process was first.
    if (!existsSync(`${fixture}node_modules`)) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
