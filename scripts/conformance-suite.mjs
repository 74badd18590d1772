import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

/** MCP's own suite, run by a Node that it knows. */
export class ConformanceSuite {
  #node;
  #script;
  #env;

  /** @param cache - A folder for compiled code, since every scenario is two processes that load the same. */
  constructor(node, script, cache) {
    this.#node = node;
    this.#script = script;
    const path = `${dirname(node)}${delimiter}${process.env.PATH}`;
    this.#env = { ...process.env, PATH: path, NODE_COMPILE_CACHE: cache, NO_COLOR: "1" };
  }

  /** The scenarios for a role that belong to a revision; a client is also played those of extensions, which belong to none. */
  async scenarios(role, revision) {
    const { output } = await this.#run(["list", `--${role}`]);
    const listed = [...output.matchAll(/^ {2}- (\S+) \[(.+)\]$/gm)].map(([, name, versions]) => ({
      name,
      versions: versions.split(","),
    }));
    if (listed.length === 0) throw new Error(`the suite lists no scenarios:\n${output}`);
    const belongs = ({ versions }) =>
      versions.includes(revision) ||
      (role === "client" && revision === "2025-11-25" && !versions.includes("2026-07-28"));
    return listed.filter(belongs);
  }

  /** Plays one scenario with a client: what the suite said of the client, and what it found. */
  async playClient({ name, versions }, revision, command) {
    const version = versions.includes(revision) ? ["--spec-version", revision] : [];
    const args = ["client", "--command", command.map(quoted).join(" "), "--scenario", name, ...version];
    const { status, found } = await this.#collect(args);
    return { status, checks: [...found.values()].flat() };
  }

  /** Plays every scenario of a revision, or one, with a server. */
  async playServer(url, revision, scenario) {
    const chosen = scenario === undefined ? ["--suite", "all"] : ["--scenario", scenario];
    const { found } = await this.#collect(["server", "--url", url, ...chosen, "--spec-version", revision]);
    return new Map([...found].map(([name, checks]) => [name.replace(/^server-/, ""), { checks }]));
  }

  async #collect(args) {
    const folder = mkdtempSync(join(tmpdir(), "hopguard-conformance-"));
    try {
      const { status, output } = await this.#run([...args, "--output-dir", folder]);
      const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith("checks.json"));
      if (files.length === 0) throw new Error(`the suite wrote no results:\n${output}`);
      const checks = (file) => JSON.parse(readFileSync(join(folder, file), "utf8"));
      return { status, found: new Map(files.map((file) => [scenarioOf(file), checks(file)])) };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #run(args) {
    const run = spawn(this.#node, [this.#script, ...args], {
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const keep = (chunk) => (output += chunk);
    run.stdout.setEncoding("utf8").on("data", keep);
    run.stderr.setEncoding("utf8").on("data", keep);
    return new Promise((resolve, reject) => {
      run.on("error", reject);
      run.on("close", (status) => resolve({ status, output }));
    });
  }
}

/** The suite names folders `<scenario>-<time>`. */
const scenarioOf = (file) => dirname(file).replace(/-\d{4}-\d{2}-\d{2}T[\d-]+Z$/, "");

/** The suite hands a command to a shell, after it has taken it apart and put it together at the spaces. */
const quoted = (part) => `'${part.replaceAll("'", `'\\''`)}'`;
