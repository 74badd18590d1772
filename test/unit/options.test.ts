import { ConfigurationError, createGuard, memoryState, type GuardOptions } from "hopguard";
import { jsonLinesFile } from "hopguard/audit";
import { cerbos } from "hopguard/cerbos";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { scriptedPdp } from "../support/scripted-pdp";

const pdp = scriptedPdp();
const hook = { name: "risk", check: () => undefined, provide: () => Promise.resolve(1) };

const complaint = async (act: () => unknown): Promise<string> => {
  try {
    await act();
  } catch (error) {
    if (ConfigurationError.isInstance(error)) return error.message;
    throw error;
  }
  return "accepted";
};

describe("createGuard refuses a wrong option by its name", () => {
  it.each<[string, Record<string, unknown>]>([
    ["createGuard.pdp", { pdp: undefined }],
    ["createGuard.pdp", { pdp: "http://localhost:3592" }],
    ["createGuard.pdp", { pdp: { check: () => undefined } }],
    ["createGuard.audit", { audit: "audit.log" }],
    ["createGuard.audit", { audit: {} }],
    ["createGuard.state", { state: {} }],
    ["createGuard.state", { state: { session: () => undefined } }],
    ["createGuard.state", { state: { ...memoryState(), revocations: { find: () => undefined } } }],
    ["createGuard.identity", { identity: () => undefined }],
    ["createGuard.agents", { agents: "both" }],
    ["createGuard.agents", { agents: true }],
    ["createGuard.enrich.0", { enrich: [null] }],
    ["createGuard.enrich.0", { enrich: [{ ...hook, name: "risk-score" }] }],
    ["createGuard.enrich.1", { enrich: [hook, { name: "x" }] }],
    ["createGuard.guardrails.0", { guardrails: [{ ...hook, name: "__proto__" }] }],
    ["createGuard.guardrails.0", { guardrails: [hook.check] }],
    ['"risk"', { guardrails: [hook, hook] }],
    ['"risk"', { guardrails: [hook], enrich: [hook] }],
    ["createGuard.denials", { denials: "silent" }],
    ["createGuard.environment", { environment: "" }],
    ["createGuard.catalogue.models", { catalogue: { models: "gpt-4o" } }],
    ["createGuard.catalogue.tools.payments", { catalogue: { tools: { payments: "refund_issue" } } }],
    ["createGuard.catalogue", { catalogue: { model: ["gpt-4o"] } }],
    ["createGuard.policyRevision", { policyRevision: 7 }],
    ["createGuard.recordArguments", { recordArguments: "no" }],
    ["createGuard.visibilityTtlMs", { visibilityTtlMs: -1 }],
    ["createGuard.visibilityTtlMs", { visibilityTtlMs: 3_600_000 }],
    ["createGuard.timeoutMs", { timeoutMs: 0 }],
    ["createGuard.timeoutMs", { timeoutMs: Infinity }],
    ["createGuard.timeoutMs", { timeoutMs: "1000" }],
    ["createGuard.limits.maxDepth", { limits: { maxDepth: 100 } }],
    ["createGuard.limits.maxLength", { limits: { maxLength: 0 } }],
    ["createGuard.clock", { clock: new Date(0) }],
    ['"failOpen"', { failOpen: true }],
    ['"agent"', { agent: "principal" }],
  ])("%s: %j", async (name, wrong) => {
    expect(await complaint(() => createGuard({ pdp, ...wrong }))).toContain(name);
  });

  it("and names all of them at once", async () => {
    const message = await complaint(() =>
      createGuard({ pdp: 1, agents: 2, denials: 3 } as unknown as GuardOptions),
    );
    expect(message).toMatch(/createGuard\.pdp[^]*createGuard\.agents[^]*createGuard\.denials/);
  });
});

it("createGuard keeps hooks that are objects of a class", async () => {
  class Risk {
    readonly name = "risk";
    readonly #level = 3;
    provide = (): Promise<number> => Promise.resolve(this.#level);
  }
  const guard = createGuard({ pdp, audit: () => undefined, enrich: [new Risk()] });
  const session = await guard.session({ principal: { id: "u-1", roles: ["a"] }, agent: { id: "bot" } });
  await session.check({ kind: "document", id: "1", action: "read" });
  expect(pdp.queries.at(-1)?.resource.attr.facts).toEqual({ risk: 3 });
});

describe("guard.session refuses a wrong option by its name", () => {
  const guard = createGuard({ pdp, audit: () => undefined });
  const principal = { id: "u-1", roles: ["tier-1-support"] };
  const agent = { id: "bot" };

  it.each<[string, Record<string, unknown>]>([
    ["principal or token", { principal: undefined }],
    ["principal or token", { token: "eyJ" }],
    ["session.token", { principal: undefined, token: "eyJ" }],
    ["session.token", { principal: undefined, token: "" }],
    ["principal.id", { principal: { roles: ["a"] } }],
    ["principal.id", { principal: { ...principal, id: "" } }],
    ["principal.id", { principal: { ...principal, id: "u\n1" } }],
    ["principal.id", { principal: { ...principal, id: " u-1" } }],
    ["principal.id", { principal: { ...principal, id: "\ud800" } }],
    ["principal.id", { principal: { ...principal, id: 7 } }],
    ["principal.roles", { principal: { id: "u-1" } }],
    ["principal.roles", { principal: { id: "u-1", roles: [] } }],
    ["principal.roles", { principal: { id: "u-1", roles: "admin" } }],
    ["principal.roles.0", { principal: { id: "u-1", roles: [["admin"]] } }],
    ["principal.roles.1", { principal: { id: "u-1", roles: ["a", "b\u0000"] } }],
    ["principal.type", { principal: { ...principal, type: "admin" } }],
    ["principal.attr", { principal: { ...principal, attr: [1] } }],
    ['"role"', { principal: { ...principal, role: "admin" } }],
    ["principal", { principal: "u-1" }],
    ["agent", { agent: undefined }],
    ["agent.id", { agent: { id: "" } }],
    ["agent.roles", { agent: { id: "bot", roles: "admin" } }],
    ["agent.version", { agent: { id: "bot", version: 2 } }],
    ["agent.attr.auth", { agent: { id: "bot", attr: { auth: {} } } }],
    ['"name"', { agent: { id: "bot", name: "x" } }],
    ["task.id", { task: {} }],
    ["task.attr.id", { task: { id: "T-1", attr: { id: "T-2" } } }],
    ["task", { task: "T-1" }],
    ["session.id", { id: "" }],
    ["session.id", { id: "\ud800" }],
    ['"user"', { user: "u-1" }],
  ])("%s: %j", async (name, wrong) => {
    expect(await complaint(() => guard.session({ principal, agent, ...wrong }))).toContain(name);
  });

  it.each([[undefined], [null], ["u-1"], [[]]])("when there are none: %j", async (options) => {
    expect(await complaint(() => guard.session(options as never))).toContain("session");
  });

  it.each<[string, unknown]>([
    ["revoke", {}],
    ["revoke", { task: undefined }],
    ["revoke", { task: "T-1", agent: undefined }],
    ["revoke", { task: "T-1", agent: "bot" }],
    ["revoke.task", { task: "" }],
    ['"user"', { user: "u-1" }],
    ["revoke", undefined],
  ])("as does guard.revoke, which must not revoke nothing in silence: %s %j", async (name, target) => {
    expect(await complaint(() => guard.revoke(target as never))).toContain(name);
    expect(await complaint(() => guard.restore(target as never))).not.toBe("accepted");
  });

  it("as does guard.revoke for its details, which cannot change the target", async () => {
    expect(
      await complaint(() => guard.revoke({ task: "T-1" }, { target: { task: "T-2" } } as never)),
    ).toContain('"target"');
  });
});

describe("cerbos refuses a wrong option by its name", () => {
  it.each<[string, unknown, unknown]>([
    ["cerbos.url", "localhost:3592", {}],
    ["cerbos.url", "", {}],
    ["cerbos.url", "grpc://localhost:3593", {}],
    ["cerbos.url", "file:///etc/passwd", {}],
    ["cerbos.url", "http://user:secret@localhost:3592", {}],
    ["cerbos.url", "http://localhost:3592?x=1", {}],
    ["cerbos.url", "http://localhost:3592#x", {}],
    ["cerbos", undefined, {}],
    ["cerbos", null, {}],
    ["cerbos", {}, {}],
    ["cerbos", { checkResources: true }, {}],
    ["cerbos.timeoutMs", "http://localhost:3592", { timeoutMs: 0 }],
    ["cerbos.timeoutMs", "http://localhost:3592", { timeoutMs: 600_000 }],
    ["cerbos.policyVersion", "http://localhost:3592", { policyVersion: "" }],
    ["cerbos.scope", "http://localhost:3592", { scope: "acme/corp" }],
    ["cerbos.scope", "http://localhost:3592", { scope: 7 }],
    ["cerbos.headers.x", "http://localhost:3592", { headers: { x: "a\r\nb: c" } }],
    ["cerbos.headers.a b", "http://localhost:3592", { headers: { "a b": "c" } }],
    [
      "cerbos.headers",
      { checkResources: () => undefined, planResources: () => undefined },
      { headers: { a: "b" } },
    ],
    ['"timeout"', "http://localhost:3592", { timeout: 5 }],
    ["cerbos", "http://localhost:3592", null],
  ])("%s: %j %j", async (name, target, options) => {
    expect(await complaint(() => cerbos(target as string, options as object))).toContain(name);
  });

  it("and says nothing of a password in an address that is none", async () => {
    const error: unknown = await new Promise(() => cerbos("http://ada:correct-horse@no such")).catch(
      (thrown: unknown) => thrown,
    );
    expect(inspect(error)).toContain("cerbos.url");
    expect(inspect(error)).not.toContain("correct-horse");
  });

  it("and takes a PDP under a path, by IPv6 or as a URL object", () => {
    for (const url of [
      "https://pdp.example/cerbos",
      "http://[::1]:3592/",
      new URL("http://localhost:3592"),
    ]) {
      cerbos(url, {
        scope: "acme.corp",
        policyVersion: "v2",
        headers: { authorization: "Bearer x" },
      }).close();
    }
  });
});

describe("jsonLinesFile refuses a wrong option by its name", () => {
  it.each<[string, unknown, unknown]>([
    ["jsonLinesFile.path", undefined, {}],
    ["jsonLinesFile.path", "", {}],
    ["jsonLinesFile.sync", "audit.log", { sync: "yes" }],
    ['"fsync"', "audit.log", { fsync: true }],
  ])("%s: %j %j", async (name, path, options) => {
    expect(await complaint(() => jsonLinesFile(path as string, options as object))).toContain(name);
  });
});
