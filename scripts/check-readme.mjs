// Runs the README's first code block as a stranger would: the packed tarball in an empty project, the block pasted into a file.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const block = /```(?:ts|js)\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1];
if (block === undefined) throw new Error("README.md has no code block");

const folder = mkdtempSync(join(tmpdir(), "hopguard-readme-"));
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
try {
  const [{ filename }] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const packages = [`./${filename}`, `cerbos@${devDependencies.cerbos}`, `openai@${devDependencies.openai}`];
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...packages], folder);
  writeFileSync(join(folder, "main.js"), block);
  const output = run(process.execPath, ["main.js"], folder);
  process.stdout.write(output);
  if (!output.includes("policy_denied")) throw new Error("the README's first code block did not print a denial");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
