// Runs the tests that meet other people's software on each version of Node and of the PDP. The SDKs are no dimension of their own: these tests
// run over the oldest and the newest version of each anyhow.
import { execFileSync, spawn } from "node:child_process";
import { delimiter, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const NODES = ["20", "22", "24"];
const PDPS = ["0.51", "0.55", "0.55-strict"];
const SUITE = [
  "test/adapters",
  "test/security",
  "test/integration/pdp.test.ts",
  // The demo starts a PDP itself, always the oldest; here for Node's sake.
  "test/integration/support-desk-demo.test.ts",
];

/** The threats run on each PDP by themselves; Claude's process brings a runtime of its own. */
const EXCLUDED = ["test/security/threats/**", "test/adapters/claude-agent*"];

const HELP = `Usage: npm run matrix -- [options]

Runs the adapters' tests, the support desk's and the attacks, over the oldest and the newest SDKs, on each Node with each PDP.

  --node <versions>  default ${NODES.join(",")}; whatever npm's package \`node\` has
  --pdp <versions>   default ${PDPS.join(",")}
  --short            only the newest Node with the newest PDP: \`npm test\` is the oldest PDP, on the Node that runs it
  --help             this text

Ends with a table, and with 1 if a test failed. On linux-x64 only: elsewhere npm has no newer PDP.`;

const root = fileURLToPath(new URL("..", import.meta.url));

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        node: { type: "string", default: NODES.join() },
        pdp: { type: "string", default: PDPS.join() },
        short: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const pdps = values.pdp.split(",");
    const unknown = pdps.find((pdp) => !PDPS.includes(pdp));
    if (unknown !== undefined) throw new Error(`--pdp: ${unknown} is none of ${PDPS.join(", ")}`);
    return { ...values, nodes: values.node.split(","), pdps };
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

function combinations({ nodes, pdps, short }) {
  const all = nodes.flatMap((node) => pdps.map((pdp) => ({ node, pdp })));
  return short ? all.slice(-1) : all;
}

/** Where npm has put a Node of that version, and which it is exactly. */
function installNode(version) {
  const print = "JSON.stringify({ binary: process.execPath, exact: process.versions.node })";
  const npx = ["--yes", "--package", `node@${version}`, "node", "--print", print];
  return JSON.parse(execFileSync("npx", npx, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }));
}

function runSuite({ binary, pdp }) {
  const env = {
    ...process.env,
    HOPGUARD_TEST_PDP: pdp,
    // What the tests start is to be the same Node.
    PATH: `${dirname(binary)}${delimiter}${process.env.PATH}`,
    NO_COLOR: "1",
  };
  const excluded = EXCLUDED.flatMap((pattern) => ["--exclude", pattern]);
  const run = spawn(binary, ["node_modules/vitest/vitest.mjs", "run", ...excluded, ...SUITE], {
    cwd: root,
    env,
  });
  let output = "";
  const keep = (chunk) => (output += chunk);
  run.stdout.setEncoding("utf8").on("data", keep);
  run.stderr.setEncoding("utf8").on("data", keep);
  return new Promise((resolve, reject) => {
    run.on("error", reject);
    run.on("close", (status) => {
      // The line of test/support/summary-reporter.ts.
      const [, passed = "0", failed = "0"] = /^(\d+) passed, (\d+) failed/m.exec(output) ?? [];
      const ok = status === 0 && Number(passed) > 0 && failed === "0";
      resolve({ ok, passed, failed, output });
    });
  });
}

const options = readOptions();
if (options.help) {
  console.log(HELP);
  process.exit();
}

const nodes = new Map();
const rows = [];
for (const { node, pdp } of combinations(options)) {
  if (!nodes.has(node)) nodes.set(node, installNode(node));
  const { binary, exact } = nodes.get(node);
  console.log(`Node ${exact}, PDP ${pdp} …`);
  const started = Date.now();
  const { ok, passed, failed, output } = await runSuite({ binary, pdp });
  const seconds = Math.round((Date.now() - started) / 1000);
  if (!ok) console.log(output);
  console.log(`  ${passed} passed, ${failed} failed (${seconds} s)`);
  rows.push({ ok, cells: [exact, pdp, passed, failed, seconds, ok ? "ok" : "FAILED"] });
}

console.log();
for (const cells of [["Node", "PDP", "passed", "failed", "seconds", ""], ...rows.map((row) => row.cells)]) {
  console.log(
    cells
      .map((cell) => String(cell).padEnd(13))
      .join("")
      .trimEnd(),
  );
}
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
