import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConfigurationError } from "hopguard";
import { PdpStartError, startPdp, type LocalPdp, type StartPdpOptions } from "hopguard/pdp";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pdpBinaries } from "../support/pdp-binaries";

const binaries = pdpBinaries();
const older = binaries.find(({ version }) => version.startsWith("0.51."))?.binary;
const newer = binaries.find(({ version }) => version.startsWith("0.55."))?.binary;

const ROOT = mkdtempSync(join(tmpdir(), "pdp-launcher-test-"));
const LAUNCHER = new URL("../../src/pdp/launcher/index.ts", import.meta.url).href;

const running: LocalPdp[] = [];
const scripts: ChildProcess[] = [];
let folder: string;
let temp: string;

beforeEach(() => {
  folder = mkdtempSync(join(ROOT, "policies-"));
  writeFileSync(join(folder, "doc.yaml"), policy("R.attr.pages <= 10"));
  // The launcher's own folders are counted in a place where nobody else makes any.
  temp = mkdtempSync(join(ROOT, "tmp-"));
  vi.stubEnv("TMPDIR", temp);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const child of scripts.splice(0)) child.kill("SIGKILL");
  await Promise.all(running.splice(0).map((pdp) => pdp.stop()));
});

afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

describe.each(binaries)("a local PDP of Cerbos $version", ({ binary }) => {
  it("answers checks with the policies of the folder", async () => {
    const { url } = await start({ binary });
    expect(await check(url, { pages: 3 })).toBe("EFFECT_ALLOW");
    expect(await check(url, { pages: 30 })).toBe("EFFECT_DENY");
  });

  it("says with file and line what does not compile, and leaves nothing behind", async () => {
    writeFileSync(join(folder, "doc.yaml"), policy("R.attr.pages =! 10"));
    const error = await failure(startPdp({ policies: folder, binary }));
    expect(error).toBeInstanceOf(PdpStartError);
    expect(error.message).toContain(`The policies in ${folder} do not compile`);
    expect(error.message).toMatch(/doc\.yaml:9:\d+ Invalid expression `R\.attr\.pages =! 10`/);
    expect(error).toHaveProperty("log", expect.stringContaining("Failed to start server"));
    expect(leftovers()).toEqual([]);
  });

  it("says with file and line what is not a policy", async () => {
    writeFileSync(join(folder, "doc.yaml"), policy("true").replace("EFFECT_ALLOW", "EFFECT_MAYBE"));
    const error = await failure(startPdp({ policies: folder, binary }));
    expect(error).toBeInstanceOf(PdpStartError);
    expect(error.message).toMatch(/doc\.yaml:7:\d+ invalid enum value "EFFECT_MAYBE"/);
  });

  it("picks up an edited policy", async () => {
    const { url } = await start({ binary });
    expect(await check(url, { pages: 30 })).toBe("EFFECT_DENY");
    writeFileSync(join(folder, "doc.yaml"), policy("R.attr.pages <= 100"));
    await expect.poll(() => check(url, { pages: 30 }), { interval: 200 }).toBe("EFFECT_ALLOW");
  });

  it("is gone soon after its parent was killed with SIGKILL, and its folder with it", async () => {
    const parent = script(`
      const pdp = await startPdp(${JSON.stringify({ policies: folder, binary })});
      console.log(JSON.stringify({ url: pdp.url, pid: pdp.pid }));
      setInterval(() => {}, 1000);
    `);
    const [output] = (await once(parent.stdout, "data")) as [Buffer];
    const { url, pid } = JSON.parse(String(output)) as Pick<LocalPdp, "url" | "pid">;
    expect(await check(url, { pages: 3 })).toBe("EFFECT_ALLOW");
    expect(leftovers()).toHaveLength(1);

    parent.kill("SIGKILL");
    await expect.poll(() => isAlive(pid)).toBe(false);
    await expect(check(url, { pages: 3 })).rejects.toThrow("fetch failed");
    await expect.poll(() => leftovers()).toEqual([]);
  });
});

describe("strict evaluation", () => {
  it.runIf(newer)("denies where a condition cannot be evaluated", async () => {
    const deny = policy("R.attr.pages <= 10").replace("rules:", `rules:\n${DENY_LARGE}`);
    writeFileSync(join(folder, "doc.yaml"), deny.replace("R.attr.pages <= 10", "true"));
    const lenient = await start({ binary: newer });
    const strict = await start({ binary: newer, strict: true });
    // A DENY rule whose condition meets a string is skipped by the one, and denies in the other.
    expect(await check(lenient.url, { pages: "3000" })).toBe("EFFECT_ALLOW");
    expect(await check(strict.url, { pages: "3000" })).toBe("EFFECT_DENY");
    expect(await check(strict.url, { pages: 3 })).toBe("EFFECT_ALLOW");
  });

  it.runIf(older)("is refused, and never left out, with a Cerbos that does not have it", async () => {
    const error = await failure(startPdp({ policies: folder, binary: older, strict: true }));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(/^startPdp\.strict: .* needs Cerbos 0\.55 or newer/);
    expect(leftovers()).toEqual([]);
  });
});

describe("starting", () => {
  it("finds the binary of the npm package, takes the folder as a URL, and runs several side by side", async () => {
    const pdps = await Promise.all([1, 2, 3].map(() => start({ policies: pathToFileURL(folder) })));
    expect(new Set(pdps.map(({ url }) => url)).size).toBe(3);
    for (const { url } of pdps) expect(await check(url, { pages: 3 })).toBe("EFFECT_ALLOW");
  });

  it("takes a folder whose name means something to a shell, to YAML and to Cerbos", async () => {
    const odd = mkdtempSync(join(ROOT, "a $HOME ${PATH} \"b\" 'c': #-"));
    writeFileSync(join(odd, "doc.yaml"), policy("R.attr.pages <= 10"));
    expect(await check((await start({ policies: odd })).url, { pages: 3 })).toBe("EFFECT_ALLOW");
  });

  it("keeps its files, and the gRPC socket, in a folder that only the user may enter", async () => {
    await start();
    const [name = ""] = leftovers();
    expect(statSync(join(temp, name)).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(temp, name)).sort()).toEqual(["cerbos.yaml", "grpc.sock"]);
  });

  it("rejects resources that do not fit their schema, unless told otherwise", async () => {
    writeSchema();
    const reject = await start();
    const none = await start({ schemaEnforcement: "none" });
    expect(await check(reject.url, { pages: 3, extra: true })).toBe("EFFECT_DENY");
    expect(await check(none.url, { pages: 3, extra: true })).toBe("EFFECT_ALLOW");
  });

  it("does not watch the folder when told so", async () => {
    const lines: string[] = [];
    await start({ watch: false, log: (line) => void lines.push(line) });
    expect(lines.join("\n")).not.toContain("Watching directory");
  });

  it("answers to no web page", async () => {
    const { url } = await start();
    const response = await fetch(`${url}/_cerbos/health`, { headers: { origin: "https://example.com" } });
    expect(response.status).toBe(200);
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
  });

  it.runIf(process.platform === "linux")("does not hand our environment to the PDP", async () => {
    vi.stubEnv("OPENAI_API_KEY", "sk-secret");
    vi.stubEnv("CERBOS_HUB_BUNDLE", "somebody-elses-policies");
    const { pid } = await start();
    const names = readFileSync(`/proc/${pid}/environ`, "utf8")
      .split("\0")
      .map((entry) => entry.split("=", 1)[0]);
    expect(names).toContain("CERBOS_NO_TELEMETRY");
    expect(names).not.toContain("OPENAI_API_KEY");
    expect(names).not.toContain("CERBOS_HUB_BUNDLE");
  });
});

describe("the port", () => {
  it("is the one that was asked for", async () => {
    const port = await freePort();
    const { url } = await start({ port });
    expect(url).toBe(`http://127.0.0.1:${port}`);
    expect(await check(url, { pages: 3 })).toBe("EFFECT_ALLOW");
  });

  it("is not shared with another server", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const error = await failure(startPdp({ policies: folder, port }));
    expect(error).toBeInstanceOf(PdpStartError);
    expect(error.message).toContain(`Port ${port} of 127.0.0.1 is not to be had`);
    server.close();
  });

  it("is not shared with another PDP, which Cerbos itself would do", async () => {
    const port = await freePort();
    await start({ port });
    const error = await failure(startPdp({ policies: folder, port }));
    expect(error).toBeInstanceOf(PdpStartError);
    expect(error.message).toContain(`Port ${port}`);
  });
});

describe("a free port that another process takes at the same moment", () => {
  const cerbos = binaries[0]?.binary ?? "";

  it("is given up for the next one when the PDP cannot listen on it", async () => {
    const once = join(mkdtempSync(join(ROOT, "once-")), "flag");
    const server = `require("http").createServer().listen(p, "127.0.0.1")`;
    const binary = executable(`
      if ! [ -e "${once}" ]; then
        touch "${once}"
        port=$(sed 's/.*127.0.0.1:\\([0-9]*\\).*/\\1/' cerbos.yaml)
        "${process.execPath}" -e "const p = $port; ${server.replaceAll('"', "'")}" &
        sleep 0.5
      fi
      exec "${cerbos}" "$@"`);
    const { url } = await start({ binary });
    expect(existsSync(once)).toBe(true);
    expect(await check(url, { pages: 3 })).toBe("EFFECT_ALLOW");
    expect(leftovers()).toHaveLength(1);
  });

  it("is given up for the next one when it is a PDP that shares it", async () => {
    const once = join(mkdtempSync(join(ROOT, "once-")), "flag");
    const binary = executable(`
      if ! [ -e "${once}" ]; then
        touch "${once}"
        sed 's/grpc.sock/other.sock/; s#http://[0-9a-f-]*.invalid#http://other.invalid#' cerbos.yaml > other.yaml
        "${cerbos}" server --config=other.yaml &
        sleep 0.5
      fi
      exec "${cerbos}" "$@"`);
    const { url } = await start({ binary });
    expect(existsSync(once)).toBe(true);
    expect(await check(url, { pages: 3 })).toBe("EFFECT_ALLOW");
    expect(leftovers()).toHaveLength(1);
    const [name = ""] = leftovers();
    expect(readdirSync(join(temp, name)).sort()).toEqual(["cerbos.yaml", "grpc.sock"]);
  });
});

describe("stopping", () => {
  it("waits until the PDP is gone, removes its folder, and may be repeated", async () => {
    const { url, pid, stop } = await start();
    await Promise.all([stop(), stop()]);
    expect(isAlive(pid)).toBe(false);
    expect(leftovers()).toEqual([]);
    await expect(check(url, { pages: 3 })).rejects.toThrow("fetch failed");
    await stop();
  });

  it("is what `await using` does", async () => {
    const pdp = await start();
    await pdp[Symbol.asyncDispose]();
    expect(isAlive(pdp.pid)).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  it("copes with a PDP that was killed", async () => {
    const { pid, stop } = await start();
    process.kill(pid, "SIGKILL");
    await expect.poll(() => leftovers()).toEqual([]);
    await stop();
    expect(isAlive(pid)).toBe(false);
  });

  it("can be followed by a start on the same port", async () => {
    const port = await freePort();
    const first = await start({ port });
    await first.stop();
    const second = await start({ port });
    expect(await check(second.url, { pages: 3 })).toBe("EFFECT_ALLOW");
  });

  it("is awaited by a script that has nothing else to do", async () => {
    const { stdout, code } = await run(`
      const pdp = await startPdp(${JSON.stringify({ policies: folder })});
      await pdp.stop();
      console.log("stopped", pdp.pid);
    `);
    expect(stdout).toMatch(/^stopped \d+\n$/);
    expect(code).toBe(0);
  });

  it("happens by itself when a script forgets it and comes to its end", async () => {
    const { stdout, code } = await run(`
      const pdp = await startPdp(${JSON.stringify({ policies: folder })});
      console.log(pdp.pid);
    `);
    expect(code).toBe(0);
    await expect.poll(() => isAlive(Number(stdout))).toBe(false);
    await expect.poll(() => leftovers()).toEqual([]);
  });

  it.each([
    ["calls process.exit", "process.exit(7)"],
    ["throws", 'setTimeout(() => { throw new Error("lost"); })'],
    [
      "gets SIGTERM",
      'process.kill(process.pid, "SIGTERM"); await new Promise((done) => setTimeout(done, 5000))',
    ],
  ])("happens by itself when a script %s", async (_, ending) => {
    const { stdout, code } = await run(`
      const pdp = await startPdp(${JSON.stringify({ policies: folder })});
      await new Promise((done) => process.stdout.write(String(pdp.pid), done));
      ${ending};
    `);
    expect(code).not.toBe(0);
    await expect.poll(() => isAlive(Number(stdout))).toBe(false);
    await expect.poll(() => leftovers()).toEqual([]);
  });

  it("takes what the binary itself has started with it", async () => {
    const child = join(ROOT, "child.pid");
    const binary = executable(`sleep 300 & echo $! > "${child}"; "${binaries[0]?.binary ?? ""}" "$@"`);
    const { url, stop } = await start({ binary });
    await stop();
    await expect.poll(() => isAlive(Number(readFileSync(child, "utf8")))).toBe(false);
    await expect.poll(() => check(url, { pages: 3 }).catch(String)).toContain("fetch failed");
  });
});

describe("the log", () => {
  it("goes to a function, line by line, and holds the requests", async () => {
    const lines: string[] = [];
    const { url } = await start({ log: (line) => void lines.push(line) });
    await check(url, { pages: 3 });
    await expect.poll(() => lines.some((line) => line.includes("CheckResources"))).toBe(true);
    for (const line of lines) expect(JSON.parse(line)).toHaveProperty("message");
  });

  it("goes to a file, after what is there", async () => {
    const file = join(ROOT, "pdp.log");
    writeFileSync(file, "first\n");
    const { stop } = await start({ log: pathToFileURL(file) });
    await stop();
    await expect.poll(() => readFileSync(file, "utf8")).toMatch(/^first\n\{.*Starting HTTP server/s);
  });
});

describe("a binary that is not Cerbos", () => {
  it("is told from its end", async () => {
    const binary = executable("echo not me; exit 42");
    const error = await failure(startPdp({ policies: folder, binary }));
    expect(error).toBeInstanceOf(PdpStartError);
    expect(error.message).toBe(`The PDP ${binary} ended with exit code 42 before it answered:\nnot me`);
    expect(leftovers()).toEqual([]);
  });

  it("is given up and killed when it does not answer in time", async () => {
    const file = join(ROOT, "silent.pid");
    const binary = executable(`echo $$ > "${file}"; echo here I am; exec sleep 300`);
    const error = await failure(startPdp({ policies: folder, binary, startTimeoutMs: 500 }));
    expect(error).toBeInstanceOf(PdpStartError);
    expect(error.message).toBe(`The PDP ${binary} did not answer within 500 ms:\nhere I am`);
    expect(isAlive(Number(readFileSync(file, "utf8")))).toBe(false);
    expect(leftovers()).toEqual([]);
  });

  it("is not believed when it answers where the PDP should", async () => {
    const imposter = `require("http").createServer((_, r) => r.end("SERVING"))`;
    const port = await freePort();
    const binary = executable(`exec "${process.execPath}" -e '${imposter}.listen(${port}, "127.0.0.1")'`);
    const error = await failure(startPdp({ policies: folder, binary, port }));
    expect(error).toBeInstanceOf(PdpStartError);
    expect(error.message).toBe(`Another process answers on port ${port}`);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow("fetch failed");
  });
});

describe("a signal", () => {
  it("gives up the start with its reason", async () => {
    const reason = new Error("changed my mind");
    const controller = new AbortController();
    const starting = startPdp({
      policies: folder,
      binary: executable("exec sleep 300"),
      signal: controller.signal,
    });
    await setTimeout(100);
    controller.abort(reason);
    await expect(starting).rejects.toBe(reason);
    expect(leftovers()).toEqual([]);
  });

  it("that has fired already starts nothing", async () => {
    const file = join(ROOT, "started");
    const binary = executable(`touch "${file}"`);
    await expect(startPdp({ policies: folder, binary, signal: AbortSignal.abort("no") })).rejects.toBe("no");
    expect(existsSync(file)).toBe(false);
  });
});

describe("options", () => {
  it("say how to get the binary when there is none for this machine", async () => {
    const arch = Object.getOwnPropertyDescriptor(process, "arch") ?? {};
    Object.defineProperty(process, "arch", { ...arch, value: "riscv64" });
    try {
      const error = await failure(startPdp({ policies: folder }));
      expect(error).toBeInstanceOf(ConfigurationError);
      expect(error.message).toMatch(/^startPdp\.binary: .*npm install --save-dev cerbos.*pass the path/);
    } finally {
      Object.defineProperty(process, "arch", arch);
    }
  });

  it.each([
    ["policies", { policies: "./no-such-folder" }],
    ["policies", { policies: fileURLToPath(import.meta.url) }],
    ["policies", { policies: new URL("https://example.com/policies") }],
    ["policies", {}],
    ["binary", { policies: ".", binary: "./no-such-binary" }],
    ["binary", { policies: ".", binary: "./src" }],
    ["port", { policies: ".", port: 0 }],
    ["strict", { policies: ".", strict: "yes" }],
    ["schemaEnforcement", { policies: ".", schemaEnforcement: "allow" }],
    ["log", { policies: ".", log: 1 }],
    ["log", { policies: ".", log: "./no-such-folder/pdp.log" }],
    ["startTimeoutMs", { policies: ".", startTimeoutMs: -1 }],
    ["hots", { policies: ".", hots: "0.0.0.0" }],
  ])("names %s when it is wrong: %j", async (name, options) => {
    const error = await failure(startPdp(options as StartPdpOptions));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error.message).toMatch(new RegExp(`^startPdp.*${name}`));
    expect(leftovers()).toEqual([]);
  });
});

const DENY_LARGE = `    - actions: ["read"]
      effect: EFFECT_DENY
      roles: ["*"]
      condition: { match: { expr: R.attr.pages > 10 } }`;

function policy(expression: string): string {
  return `apiVersion: api.cerbos.dev/v1
resourcePolicy:
  resource: doc
  version: default
  rules:
    - actions: ["read"]
      effect: EFFECT_ALLOW
      roles: ["user"]
      condition: { match: { expr: "${expression}" } }
`;
}

function writeSchema(): void {
  const reference = "  schemas:\n    resourceSchema: { ref: cerbos:///doc.json }\n";
  writeFileSync(join(folder, "doc.yaml"), policy("true").replace("  rules:", `${reference}  rules:`));
  const schemas = join(folder, "_schemas");
  mkdirSync(schemas);
  const schema = { type: "object", properties: { pages: { type: "number" } }, additionalProperties: false };
  writeFileSync(join(schemas, "doc.json"), JSON.stringify(schema));
}

async function start(options: Partial<StartPdpOptions> = {}): Promise<LocalPdp> {
  const pdp = await startPdp({ policies: folder, ...options });
  running.push(pdp);
  return pdp;
}

async function check(url: string, attr: object): Promise<string | undefined> {
  const response = await fetch(`${url}/api/check/resources`, {
    method: "POST",
    body: JSON.stringify({
      principal: { id: "u-1", roles: ["user"] },
      resources: [{ resource: { kind: "doc", id: "d-1", attr }, actions: ["read"] }],
    }),
  });
  const { results } = (await response.json()) as { results: { actions: Record<string, string> }[] };
  return results[0]?.actions.read;
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => expect.fail("expected a rejection"),
    (error: unknown) => error as Error,
  );
}

/** Runs a TypeScript module that knows `startPdp`, in a process of its own. */
function script(source: string) {
  const file = join(mkdtempSync(join(ROOT, "script-")), "main.mts");
  writeFileSync(file, `import { startPdp } from ${JSON.stringify(LAUNCHER)};\n${source}`);
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  scripts.push(child);
  return child;
}

async function run(source: string): Promise<{ stdout: string; code: number | null }> {
  const child = script(source);
  let stdout = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  return { stdout, code };
}

function executable(source: string): string {
  const file = join(mkdtempSync(join(ROOT, "bin-")), "cerbos");
  writeFileSync(file, `#!/bin/sh\n${source}\n`);
  chmodSync(file, 0o755);
  return file;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** The launcher's temporary folders; tsx keeps one of its own beside them. */
function leftovers(): string[] {
  return readdirSync(temp).filter((name) => !name.startsWith("tsx-"));
}

/** Whether a process runs; one that is dead and waits for somebody to ask for its exit code does not. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== "linux") return true;
  const state = /\) (\w) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  return state !== "Z" && state !== "X";
}
