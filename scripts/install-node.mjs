import { execFileSync } from "node:child_process";

/** Where npm has put a Node of that version, and which it is exactly. */
export function installNode(version) {
  const print = "JSON.stringify({ binary: process.execPath, exact: process.versions.node })";
  const npx = ["--yes", "--package", `node@${version}`, "node", "--print", print];
  return JSON.parse(execFileSync("npx", npx, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }));
}
