// Publishes the package. `npm run release` does everything but that; `npm run release -- --publish` means it, and works in CI only, whose
// identity signs for the commit that the package was built from. Nothing is published that is not committed, described and checked.
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const publish = process.argv.includes("--publish");
const { name, version, repository } = JSON.parse(readFileSync("package.json", "utf8"));
const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).trim();

const problems = [];
const must = (holds, problem) => holds || problems.push(problem);

must(git("status", "--porcelain") === "", "the working tree has changes that are not committed");
const heading = new RegExp(`^## \\[?${version.replaceAll(".", "\\.")}\\]?(?:\\s|$)`, "m");
must(heading.test(readFileSync("CHANGELOG.md", "utf8")), `CHANGELOG.md has no section "## ${version}"`);
must(git("tag", "--points-at", "HEAD").split("\n").includes(`v${version}`), `HEAD is not tagged v${version}`);
// npm compares it with the repository in the signed statement, and refuses a package without.
must(repository !== undefined, "package.json has no `repository` yet: provenance needs the public one's URL");
must(
  process.env.ACTIONS_ID_TOKEN_REQUEST_URL !== undefined,
  "there is no CI identity to sign with (permission `id-token: write`)",
);

for (const problem of problems) console.error(`${name} ${version} cannot be published: ${problem}`);
if (publish && problems.length > 0) process.exit(1);

const run = (command, ...args) => {
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
};
run(".ci/run");
// Without scripts: what was just checked is what goes out, and not another build of it.
const what = ["--provenance", "--access", "public", "--ignore-scripts"];
run("npm", "publish", ...what, ...(publish ? [] : ["--dry-run"]));
