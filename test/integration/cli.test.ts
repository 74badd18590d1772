import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { createGuard, memoryState, type Guard, type GuardOptions } from "hopguard";
import { loginsOf } from "hopguard/identity";
import { redisState } from "hopguard/redis";
import { revocationHandler } from "hopguard/revocations";
import { stubPdp } from "hopguard/testing";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { serve, type FetchHandler } from "../../examples/shared/serve";
import { redisBinary, startRedis, type RedisServer } from "../support/redis-server";

const SECRET = "correct-horse-battery-staple-0123";
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The command as it is published, in one file: it is started some 50 times, and compiled once. */
let main: string;
beforeAll(async () => {
  await mkdir(`${ROOT}node_modules/.cache`, { recursive: true });
  const folder = await mkdtemp(`${ROOT}node_modules/.cache/hopguard-cli-`);
  main = `${folder}/cli.mjs`;
  const entry = `${ROOT}src/cli/main.ts`;
  await build({
    ...{ entryPoints: [entry], outfile: main, bundle: true },
    ...{ platform: "node", format: "esm", packages: "external" },
  });
  return () => rm(folder, { recursive: true });
});

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in a process of its own, as an operator does. */
function hopguard(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

const guardWith = (options: Partial<GuardOptions> = {}): Guard =>
  createGuard({ pdp: stubPdp({ rules: [() => true] }), audit: () => undefined, timeoutMs: 5000, ...options });

async function codeOf(guard: Guard, task = "T-1"): Promise<string> {
  const session = await guard.session({
    principal: { id: "u-1", roles: ["clerk"] },
    agent: { id: "bot" },
    task: { id: task },
  });
  const decision = await session.check({ kind: "mcp_payments", action: "tools/list" });
  return decision.effect === "allow" ? "allow" : decision.denial.code;
}

async function serving(handler: FetchHandler): Promise<string> {
  const server = await serve(handler);
  onTestFinished(() => server.stop());
  return `${server.url}/revocations`;
}

describe("npx hopguard, at a revocationHandler", () => {
  const mounted = async (options: Partial<GuardOptions> = {}) => {
    const guard = guardWith(options);
    const url = await serving(revocationHandler(guard, { authorize: SECRET }));
    const run = (...args: string[]) => hopguard(args, { HOPGUARD_SECRET: SECRET, HOPGUARD_URL: url });
    return { guard, url, run };
  };

  it("revokes, lists and restores, from the next hop on", async () => {
    const { guard, run } = await mounted();
    expect(await codeOf(guard)).toBe("allow");

    expect(await run("revocations")).toEqual({ code: 0, stdout: "nothing is revoked\n", stderr: "" });
    const details = ["--reason", "odd refunds", "--author", "ada"];
    expect(await run("revoke", "--task", "T-1", ...details)).toEqual({
      code: 0,
      stdout: "revoked task T-1\n",
      stderr: "",
    });
    expect(await codeOf(guard)).toBe("revoked");
    expect(await codeOf(guard, "T-2")).toBe("allow");
    expect(await run("revoke", "--agent", "other-bot")).toMatchObject({ code: 0 });

    const { stdout } = await run("revocations");
    expect(stdout).toMatch(/^\S+Z {2}agent other-bot\n\S+Z {2}task T-1 by ada: odd refunds\n$/);
    const lines = (await run("revocations", "--json")).stdout.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { target: { agent: "other-bot" } },
      { target: { task: "T-1" }, reason: "odd refunds", author: "ada" },
    ]);

    expect(await run("restore", "--task", "T-1")).toEqual({
      code: 0,
      stdout: "restored task T-1\n",
      stderr: "",
    });
    expect(await codeOf(guard)).toBe("allow");
  });

  it("revokes delegations and logins, and says which of a login has ended", async () => {
    const { guard, run } = await mounted();
    const login = '["https://id.example","sub","ada"]';
    const [long = ""] = loginsOf({ iss: "https://id.example/realms/desk", sub: "x".repeat(255) });
    expect(await run("revoke", "--login", long)).toMatchObject({ code: 0 });
    expect(await guard.revocations()).toMatchObject([{ target: { login: long } }]);
    expect(await run("restore", "--login", long)).toMatchObject({ code: 0 });
    expect(await run("revoke", "--delegation", "D-1")).toMatchObject({ stdout: "revoked delegation D-1\n" });
    expect(await run("revoke", "--login", login)).toMatchObject({ stdout: `revoked login ${login}\n` });
    expect(await run("restore", "--login", login)).toMatchObject({ code: 0 });
    const issuedBefore = new Date("2026-11-21T12:00:00Z");
    await guard.revoke({ login }, { issuedBefore, author: "the identity provider" });
    const lines = (await run("revocations")).stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines.join("\n")).toContain(
      `  login ${login} issued before 2026-11-21T12:00:00.000Z by the identity provider`,
    );
    expect(lines.join("\n")).toContain("  delegation D-1");
  });

  it("prefers the URL that it is given, and says nothing as JSON where there is nothing", async () => {
    const { url } = await mounted();
    expect(await hopguard(["revocations", "--url", url, "--json"], { HOPGUARD_SECRET: SECRET })).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
  });

  it("shows no character that a terminal would obey", async () => {
    const { guard, run } = await mounted();
    await guard.revoke({ task: "T-\u202e1" }, { reason: "line one\nline two\u001b[2J", author: "a\u0007da" });
    const { stdout } = await run("revocations");
    expect(stdout).toMatch(/ {2}task T- 1 by a da: line one line two \[2J\n$/);
  });

  it("fails, and says what the handler said", async () => {
    const { guard, url, run } = await mounted();
    const wrong = { HOPGUARD_SECRET: `${SECRET}x`, HOPGUARD_URL: url };
    expect(await hopguard(["revoke", "--task", "T-1"], wrong)).toEqual({
      code: 1,
      stdout: "",
      stderr: `error: ${url} answered 401: not authorized\n`,
    });
    const long = await run("revoke", "--task", "T-1", "--reason", "x".repeat(1001));
    expect(long).toMatchObject({ code: 1, stdout: "" });
    expect(long.stderr).toContain("answered 400: body.reason");
    expect(await guard.revocations()).toEqual([]);
  });

  it("fails where the state does not confirm it", async () => {
    const state = memoryState();
    const away = () => Promise.reject(new Error("away"));
    const { run } = await mounted({
      state: { ...state, revocations: { ...state.revocations, revoke: away } },
    });
    const { code, stdout, stderr } = await run("revoke", "--task", "T-1");
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("answered 503: the state has not confirmed this");
  });
});

describe("what is no revocationHandler", () => {
  const env = { HOPGUARD_SECRET: SECRET };

  it.each<[string, () => Response]>([
    ["a page that is there for every path", () => new Response("<html>")],
    ["JSON of something else", () => Response.json({ ok: true })],
    ["another target", () => Response.json({ revoked: { task: "T-2" }, restored: { task: "T-2" } })],
    ["more than was asked for", () => Response.json({ revoked: { task: "T-1" }, note: "later" })],
    ["no content", () => new Response(null, { status: 204 })],
    ["something accepted for later", () => Response.json({ revoked: { task: "T-1" } }, { status: 202 })],
  ])("proves nothing, and the command fails: %s", async (_case, answer) => {
    const url = await serving(() => Promise.resolve(answer()));
    const runs = await Promise.all([
      hopguard(["revoke", "--task", "T-1", "--url", url], env),
      hopguard(["restore", "--task", "T-1", "--url", url], env),
      hopguard(["revocations", "--url", url], env),
    ]);
    for (const { code, stdout, stderr } of runs) {
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(url);
    }
  });

  it("is not told the secret after a redirect", async () => {
    const told: (string | null)[] = [];
    const elsewhere = await serving((request) => {
      told.push(request.headers.get("authorization"));
      return Promise.resolve(Response.json({ revoked: { task: "T-1" } }));
    });
    const url = await serving(() => Promise.resolve(Response.redirect(elsewhere, 307)));
    const { code, stderr } = await hopguard(["revoke", "--task", "T-1", "--url", url], env);
    expect([code, stderr]).toEqual([1, `error: ${url} answered 307\n`]);
    expect(told).toEqual([]);
  });

  it("has no words that a terminal would obey", async () => {
    const url = await serving(() =>
      Promise.resolve(Response.json({ error: "\u001b[2Jrevoked" }, { status: 500 })),
    );
    const { code, stderr } = await hopguard(["revoke", "--task", "T-1", "--url", url], env);
    expect([code, stderr]).toEqual([1, `error: ${url} answered 500: [2Jrevoked\n`]);
  });

  it("or is not there at all, which is said in so many words", async () => {
    const server = await serve(() => Promise.resolve(Response.json({})));
    await server.stop();
    const { code, stderr } = await hopguard(["revoke", "--task", "T-1", "--url", server.url], env);
    expect(code).toBe(1);
    expect(stderr).toContain("ECONNREFUSED");
  });
});

describe("npx hopguard, used wrongly", () => {
  const nowhere = "http://localhost:1";
  const url = { HOPGUARD_URL: nowhere, HOPGUARD_SECRET: SECRET };

  it.each<[string, readonly string[], RegExp, Readonly<Record<string, string>>?]>([
    ["without a command", [], /Usage: hopguard/],
    ["with a command that is none", ["revoek"], /unknown command 'revoek'/],
    ["with an option that is none", ["revoke", "--tsk", "T-1"], /unknown option '--tsk'/],
    ["with an option of another command", ["restore", "--reason", "x"], /unknown option '--reason'/],
    ["with an option without its value", ["revoke", "--task"], /option '--task <id>' argument missing/],
    ["without a target", ["revoke"], /exactly one of --task/, url],
    ["with two targets", ["revoke", "--task", "T-1", "--agent", "bot"], /exactly one of --task/, url],
    ["with two of a kind", ["revoke", "--task", "T-1", "--task", "T-2"], /'--task <id>'.*one at a time/, url],
    ["with a target without a name", ["revoke", "--task", ""], /option '--task <id>'/, url],
    ["with a target that nobody is", ["revoke", "--agent", "bot "], /option '--agent <id>'.*spaces/, url],
    ["with a target that is not named", ["restore", "T-1"], /too many arguments/],
    ["without a place", ["revoke", "--task", "T-1"], /--url or --redis/],
    [
      "with two places",
      ["revocations", "--url", nowhere, "--redis", "redis://localhost:1"],
      /cannot be used/,
    ],
    [
      "with one place more in the environment",
      ["revocations", "--redis", "redis://h:1"],
      /cannot be used/,
      url,
    ],
    ["with a namespace that is not asked for", ["revocations", "--namespace", "desk"], /cannot be used/, url],
    ["with a place that is none", ["revocations", "--url", "localhost"], /--url: expected an http\(s\) URL/],
    ["without the secret", ["revocations"], /set HOPGUARD_SECRET/, { HOPGUARD_URL: nowhere }],
    ["with a Redis that is none", ["revocations", "--redis", "http://localhost"], /redisState\.url/],
  ])("%s says so on stderr, and asks nobody", async (_case, args, message, given) => {
    const { code, stdout, stderr } = await hopguard(args, given);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  });

  it("does not show a secret that no header can hold", async () => {
    const given = { HOPGUARD_URL: nowhere, HOPGUARD_SECRET: "correct\nhorse" };
    const { code, stderr } = await hopguard(["revoke", "--task", "T-1"], given);
    expect([code, stderr]).toEqual([2, "error: HOPGUARD_SECRET: expected ASCII without spaces\n"]);
  });

  it("does not show a password in an address that cannot be asked", async () => {
    const given = { HOPGUARD_URL: "http://ada:correct-horse@localhost:1/", HOPGUARD_SECRET: SECRET };
    const { code, stdout, stderr } = await hopguard(["revoke", "--task", "T-1"], given);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe("error: --url: credentials do not belong in it; see HOPGUARD_SECRET\n");
  });

  it("helps where it is asked", async () => {
    const help = await hopguard(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    for (const command of ["revoke", "restore", "revocations"]) expect(help.stdout).toContain(command);
    const revoke = await hopguard(["revoke", "--help"]);
    expect(revoke).toMatchObject({ code: 0, stderr: "" });
    for (const option of [
      "--task",
      "--session",
      "--agent",
      "--principal",
      "HOPGUARD_URL",
      "HOPGUARD_SECRET",
    ]) {
      expect(revoke.stdout).toContain(option);
    }
    expect(await hopguard(["--version"])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });
});

const binary = redisBinary();

describe.skipIf(binary === undefined)("npx hopguard, at the Redis that guards share", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis(binary ?? "");
  });
  afterAll(() => redis.stop());

  it("revokes, lists and restores without any of their processes", async () => {
    const state = redisState({ url: redis.url, namespace: "desk" });
    onTestFinished(() => state.close());
    const guard = guardWith({ state });
    const run = (...args: string[]) =>
      hopguard([...args, "--namespace", "desk"], { HOPGUARD_REDIS: redis.url });
    expect(await codeOf(guard)).toBe("allow");
    expect(await run("revoke", "--principal", "u-1", "--reason", "left the company")).toEqual({
      code: 0,
      stdout: "revoked principal u-1\n",
      stderr: "",
    });
    expect(await codeOf(guard)).toBe("revoked");
    expect((await run("revocations")).stdout).toMatch(/Z {2}principal u-1: left the company\n$/);
    expect((await hopguard(["revocations", "--redis", redis.url])).stdout).toBe("nothing is revoked\n");
    expect(await run("restore", "--principal", "u-1")).toMatchObject({ code: 0 });
    expect(await codeOf(guard)).toBe("allow");
  });

  it("shares the state of nobody else there: another namespace is not revoked", async () => {
    const state = redisState({ url: redis.url, namespace: "other" });
    onTestFinished(() => state.close());
    const guard = guardWith({ state });
    const given = { HOPGUARD_REDIS: redis.url };
    expect(await hopguard(["revoke", "--task", "T-1", "--namespace", "desk"], given)).toMatchObject({
      code: 0,
    });
    expect(await codeOf(guard)).toBe("allow");
    expect(await hopguard(["revoke", "--task", "T-1", "--namespace", "other"], given)).toMatchObject({
      code: 0,
    });
    expect(await codeOf(guard)).toBe("revoked");
  });

  it("fails where Redis would forget it, and revokes nothing", async () => {
    await redis.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
    onTestFinished(async () => {
      await redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction");
    });
    const args = ["revoke", "--task", "T-1", "--redis", redis.url, "--namespace", "forgetful"];
    const { code, stdout, stderr } = await hopguard(args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("maxmemory-policy is allkeys-lru");
    expect(await redis.command("KEYS", "forgetful*")).toEqual([]);
  });

  it("fails where Redis is away", async () => {
    const { code, stdout, stderr } = await hopguard([
      "revoke",
      "--task",
      "T-1",
      "--redis",
      "redis://127.0.0.1:1",
    ]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("ECONNREFUSED");
  });
});
