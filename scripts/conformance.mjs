// Plays MCP's own conformance suite with and without hopguard in the path, and compares check by check.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { tsImport } from "tsx/esm/api";
import { compare, isExplainedDenial } from "./conformance-report.mjs";
import { ConformanceSuite } from "./conformance-suite.mjs";
import { installNode } from "./install-node.mjs";

const HELP = `Usage: npm run conformance -- [options]

Plays MCP's conformance suite with clients of both lines of the SDK, with a server, and with a guarded server, each bare and with hopguard's whole pipeline and a real
PDP in the path, whose policy allows everything.

  --short            without SDK 2 on revision 2025-11-25, which the tests of hopguard/mcp cover as well
  --only <text>      only the runs and scenarios whose names hold the text
  --role <text>      only the legs whose roles begin with the text: client, server, guarded
  --help             this text

Ends with 1 if a check came out differently, or a guard denied anything, apart from what it names and explains. The suite needs Node 22, which npm's
package \`node\` provides where this Node is older.`;

const LEGS = [
  { role: "client", sdk: "sdk-1", revision: "2025-11-25" },
  { role: "client", sdk: "sdk-2", revision: "2025-11-25", isLong: true },
  { role: "client", sdk: "sdk-2", revision: "2026-07-28" },
  { role: "server", revision: "2025-11-25" },
  { role: "server", revision: "2026-07-28" },
  { role: "guarded server in process", revision: "2025-11-25" },
  { role: "guarded server in process", revision: "2026-07-28" },
];

const root = fileURLToPath(new URL("..", import.meta.url));

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        short: { type: "boolean", default: false },
        only: { type: "string", default: "" },
        role: { type: "string", default: "" },
        help: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    process.exit(2);
  }
}

/** One file each, because the suite starts a client for each scenario; among the dependencies, where the PDP's binary is found. */
async function bundleClients(folder) {
  const sdks = ["sdk-1", "sdk-2"];
  await build({
    entryPoints: sdks.map((sdk) => join(root, "test/conformance/clients", `${sdk}.ts`)),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    // Some of the SDKs' dependencies are CommonJS.
    banner: {
      js: 'import { createRequire as $createRequire } from "node:module"; const require = $createRequire(import.meta.url);',
    },
    logLevel: "error",
  });
  return Object.fromEntries(sdks.map((sdk) => [sdk, join(folder, `${sdk}.mjs`)]));
}

/** Starts what the runs share, which ends when its standard input does. */
async function startHost(node, auditFile) {
  const host = spawn(node, ["--import", "tsx", "test/conformance/host.ts", auditFile], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = await Promise.race([
    once(createInterface(host.stdout), "line"),
    once(host, "exit").then(([status]) =>
      Promise.reject(new Error(`test/conformance/host.ts ended with ${status}`)),
    ),
  ]);
  const stop = async () => {
    const ended = once(host, "exit");
    host.stdin.end();
    await ended;
  };
  return { ...JSON.parse(line), stop };
}

/** Does the work with as many at once as there are processors, and one. Resolves to the results in the order of the items. */
async function inParallel(items, work) {
  const queue = [...items.entries()];
  const results = [];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, worker));
  return results;
}

/** Twice if it came out differently: scenarios that measure time fail now and then on a busy machine, with a guard and without. */
async function compareTwice(scenario, play, explains = true) {
  const once = async () => compare(scenario, await play("bare"), await play("guarded"), explains);
  const first = await once();
  return first.verdict === "DIFFERENT" ? once() : first;
}

async function clientLeg({ sdk, revision }, { suite, node, host, clients, auditFile, only }) {
  const commands = { bare: [node, clients[sdk]], guarded: [node, clients[sdk], host.pdp, auditFile] };
  const scenarios = (await suite.scenarios("client", revision)).filter(({ name }) => name.includes(only));
  return inParallel(scenarios, (scenario) =>
    compareTwice(scenario.name, (kind) => suite.playClient(scenario, revision, commands[kind])),
  );
}

/** By way of relays, whose transports are bare and guarded; or the server itself, and one with a guard in its own process, where nothing may differ. */
function serversOf({ role }, { bare, guarded, direct, inProcess }) {
  return role === "server"
    ? { urls: { bare, guarded }, explains: true }
    : { urls: { bare: direct, guarded: inProcess }, explains: false };
}

/** One scenario after the other, because they share a server whose lists some of them change. */
async function serverLeg(leg, { suite, host, only }) {
  const { revision } = leg;
  const { urls, explains } = serversOf(leg, host);
  const bare = await suite.playServer(urls.bare, revision);
  const guarded = await suite.playServer(urls.guarded, revision);
  const results = [];
  const played = new Set([...bare.keys(), ...guarded.keys()]);
  for (const scenario of [...played].filter((name) => name.includes(only))) {
    const found = { bare: bare.get(scenario), guarded: guarded.get(scenario) };
    const again = async (kind) => (await suite.playServer(urls[kind], revision, scenario)).get(scenario);
    const first = compare(scenario, found.bare, found.guarded, explains);
    results.push(first.verdict === "DIFFERENT" ? await compareTwice(scenario, again, explains) : first);
  }
  return results;
}

/** What the guards have decided meanwhile: proof that they were in the path, and let pass what they should. */
function readAudit(auditFile) {
  const lines = readFileSync(auditFile, "utf8").split("\n").filter(Boolean);
  const records = lines.map((line) => JSON.parse(line));
  const denials = records.filter(({ effect }) => effect === "deny");
  return {
    decisions: records.length,
    denials,
    wrong: denials.filter((denial) => !isExplainedDenial(denial)),
  };
}

const options = readOptions();
if (options.help) {
  console.log(HELP);
  process.exit();
}

const { fixture } = await tsImport("../test/support/fixtures.ts", import.meta.url);
const script = fixture("mcp-conformance").resolve("@modelcontextprotocol/conformance/dist/index.js");
const [major] = process.versions.node.split(".");
const node = Number(major) >= 22 ? process.execPath : installNode("22").binary;
const folder = mkdtempSync(join(root, "node_modules/.conformance-"));
const auditFile = join(folder, "audit.jsonl");
const host = await startHost(node, auditFile);
const results = [];
try {
  const suite = new ConformanceSuite(node, script, join(folder, "compiled"));
  const clients = await bundleClients(folder);
  const shared = { suite, node, host, clients, auditFile, only: options.only };
  for (const leg of LEGS.filter(
    ({ isLong, role }) => (!isLong || !options.short) && role.startsWith(options.role),
  )) {
    const started = Date.now();
    const found = await (leg.role === "client" ? clientLeg : serverLeg)(leg, shared);
    if (found.length === 0) continue;
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(
      `\n${leg.role}${leg.sdk ? ` of ${leg.sdk}` : ""}, revision ${leg.revision} (${seconds} s): bare, guarded`,
    );
    for (const { text } of found) console.log(text);
    results.push(...found);
  }
  const count = (verdict) => results.filter((result) => result.verdict === verdict).length;
  const checks = results.reduce((sum, result) => sum + result.checks, 0);
  const { decisions, denials, wrong } = readAudit(auditFile);
  for (const { code, hop } of wrong)
    console.log(`  denied, though the policy allows it: ${hop.action} (${code})`);
  console.log(
    `\n${results.length} scenarios, ${checks} checks: ${count("same")} scenarios the same, ${count("explained")} with explained differences, ${count("DIFFERENT")} different. ${decisions} decisions, ${denials.length} of them denials, ${wrong.length} of these wrong.`,
  );
  const isSame = results.length > 0 && decisions > 0 && count("DIFFERENT") === 0 && wrong.length === 0;
  process.exitCode = isSame ? 0 : 1;
} finally {
  await host.stop();
  rmSync(folder, { recursive: true, force: true });
}
