// Shows that the fuzzed property is worth something: takes the checks out of a copy of the sources, one at a time, and runs the property on it,
// which must fail.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { MUTANTS } from "./mutants-list.mjs";

const HELP = `Usage: npm run mutants -- [options]

Takes each of ${MUTANTS.length} checks out of a copy of src/, runs the property of test/fuzz on it until it fails, and prints what was noticed.

  --check           only whether every place that a mutant changes is still there, which is looked at first in any case
  --short           the ${MUTANTS.filter(({ short }) => short).length} that stand for the rest
  --only <text>     those with this text in their name or file
  --runs <number>   how many runs the whole property has at most, default 40000
  --seed <number>   default 1: the same requests each time
  --parallel <n>    how many at once, default ${availableParallelism()}
  --help            this text

Ends with a table, and with 1 if a mutant survived or does not run, or if any is about a place that is no more.`;

const root = fileURLToPath(new URL("..", import.meta.url));

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        check: { type: "boolean", default: false },
        short: { type: "boolean", default: false },
        only: { type: "string", default: "" },
        runs: { type: "string", default: "40000" },
        seed: { type: "string", default: "1" },
        parallel: { type: "string", default: String(availableParallelism()) },
        help: { type: "boolean", default: false },
      },
    });
    for (const name of ["runs", "seed", "parallel"]) {
      if (!/^[1-9]\d*$/.test(values[name])) throw new Error(`--${name}: expected a number`);
    }
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

/** The copy that is changed; the checkout never is. */
function copyProject() {
  const folder = mkdtempSync(join(tmpdir(), "hopguard-mutant-"));
  for (const path of [
    "src",
    "test/fuzz",
    "test/support",
    "package.json",
    "tsconfig.json",
    "vitest.config.ts",
  ]) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  return folder;
}

/** Sources change: a place that is gone, or there twice, would make a mutant of nothing. */
function checkPlaces() {
  const stale = MUTANTS.filter(
    ({ file, find }) => readFileSync(join(root, file), "utf8").split(find).length !== 2,
  );
  for (const { name, file, find } of stale)
    console.log(`MISSING  ${name}\n${file} does not hold this once: ${find}`);
  console.log(`${MUTANTS.length - stale.length} of ${MUTANTS.length} places are there`);
  if (stale.length > 0) process.exit(1);
}

function mutate(folder, { file, find, put }) {
  const path = join(folder, file);
  writeFileSync(
    path,
    readFileSync(path, "utf8").replace(find, () => put),
  );
}

/** Runs a part of the property, or all of it. */
function runProperty(folder, part, { runs, seed }) {
  const env = {
    ...process.env,
    HOPGUARD_FUZZ_RUNS: runs,
    HOPGUARD_FUZZ_SEED: seed,
    HOPGUARD_FUZZ_SHRINK: "0",
    NO_COLOR: "1",
  };
  const vitest = [
    "node_modules/vitest/vitest.mjs",
    "run",
    "test/fuzz/property.test.ts",
    "--bail",
    "1",
    "-t",
    `holds: ${part}`,
  ];
  const child = spawn(process.execPath, vitest, { cwd: folder, env });
  let output = "";
  const keep = (chunk) => (output += chunk);
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      const [, after] = /Property failed after (\d+) tests/.exec(output) ?? [];
      const [, why = ""] = /Violation: (.*)/.exec(output) ?? [];
      resolve({ passed: status === 0, after, why, output });
    });
  });
}

async function tryMutant(mutant, options) {
  const folder = copyProject();
  try {
    mutate(folder, mutant);
    const { passed, after, why, output } = await runProperty(folder, mutant.by, options);
    if (passed) return { ...mutant, outcome: "SURVIVED", after: "", why: "" };
    // Only a violation counts: a mutant that does not even run is not noticed by the property.
    if (after === undefined || why === "") return { ...mutant, outcome: "BROKEN", after: "", why: output };
    return { ...mutant, outcome: "killed", after, why };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function proveSound(options) {
  const folder = copyProject();
  try {
    const { passed, output } = await runProperty(folder, "", { ...options, runs: "1000" });
    if (passed) return;
    console.log(`${output}\nThe property does not hold as it is; mutants would show nothing.`);
    process.exit(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function printRow({ outcome, by, after, name, file, why }) {
  console.log(`${outcome.padEnd(9)}${by.padEnd(10)}${String(after).padStart(6)}  ${name}  (${file})`);
  if (outcome === "BROKEN") console.log(why);
}

const options = readOptions();
if (options.help) {
  console.log(HELP);
  process.exit();
}

checkPlaces();
if (options.check) process.exit();

const chosen = MUTANTS.filter(
  ({ name, file, short }) => (!options.short || short) && `${name} ${file}`.includes(options.only),
);
await proveSound(options);
console.log(`${"".padEnd(9)}${"property".padEnd(10)}  runs  what was changed`);
const waiting = [...chosen];
const rows = [];
const worker = async () => {
  for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
    const row = await tryMutant(mutant, options);
    rows.push(row);
    printRow(row);
  }
};
await Promise.all(Array.from({ length: Number(options.parallel) }, worker));

const killed = rows.filter(({ outcome }) => outcome === "killed").length;
console.log(`\n${killed} of ${rows.length} mutants were noticed`);
process.exitCode = killed === rows.length && killed > 0 ? 0 : 1;
