// Runs `npm install` when node_modules does not match the lock file, so that each command of the README works alone.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const read = (path) => {
  try {
    return JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), "utf8")).packages;
  } catch {
    return undefined;
  }
};

const wanted = read("package-lock.json") ?? {};
const installed = read("node_modules/.package-lock.json");
const missing = Object.entries(wanted).some(
  ([path, { version, optional }]) => path !== "" && !optional && installed?.[path]?.version !== version,
);

if (installed === undefined || missing) {
  console.error("hopguard: installing dependencies (npm install) …");
  const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: new URL("..", import.meta.url),
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
  process.exit(status ?? 1);
}
