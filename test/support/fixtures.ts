import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

/** A `require` within a fixture folder, which is installed when it is missing. Fixtures hold packages that cannot live beside ours. */
export function fixture(name: string): NodeJS.Require {
  const folder = fileURLToPath(new URL(`../fixtures/${name}/`, import.meta.url));
  if (!existsSync(`${folder}node_modules`)) {
    execFileSync("npm", ["install", "--prefix", folder, "--no-audit", "--no-fund", "--loglevel=error"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return createRequire(`${folder}package.json`);
}
