import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const SCRIPT = fileURLToPath(new URL("../../scripts/mutants.mjs", import.meta.url));

it("every place in the sources that a mutant changes is there, exactly once", () => {
  const { stdout } = spawnSync(process.execPath, [SCRIPT, "--check"], { encoding: "utf8" });
  expect(stdout).toMatch(/^(\d+) of \1 places are there\n$/);
});
