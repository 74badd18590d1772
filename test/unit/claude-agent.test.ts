import { ConfigurationError, createGuard, type Session } from "hopguard";
import { guardQueryOptions, type GuardQueryOptions } from "hopguard/claude-agent";
import { stubPdp } from "hopguard/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startLocalProvider, type LocalProvider } from "../../examples/shared/local-provider";
import { assertTestedVersion } from "../../src/adapters/claude-agent/version";

let provider: LocalProvider;
let session: Session;
beforeAll(async () => {
  provider = await startLocalProvider();
  const guard = createGuard({ pdp: stubPdp({ rules: [() => true] }), audit: () => undefined });
  session = await guard.session({ principal: { id: "u", roles: ["user"] }, agent: { id: "a" } });
});
afterAll(() => provider.stop());

const env = (more: Readonly<Record<string, string>> = {}) => ({
  ANTHROPIC_API_KEY: "real",
  ANTHROPIC_BASE_URL: provider.anthropicBaseURL,
  ...more,
});
const problem = async (options: object, guard?: GuardQueryOptions): Promise<string> => {
  const error: unknown = await guardQueryOptions(options, session, guard).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ConfigurationError);
  return (error as Error).message;
};

describe("guardQueryOptions refuses", () => {
  it.each([
    ["settingSources", ["project"]],
    ["settings", { hooks: {} }],
    ["settings", "/etc/settings.json"],
    ["managedSettings", { env: {} }],
    ["plugins", [{ type: "local", path: "/p" }]],
    ["extraArgs", { settings: "/s.json" }],
    ["toolAliases", { Bash: "mcp__x__bash" }],
    ["permissionPromptToolName", "mcp__x__ask"],
  ] as const)("options.%s %j, and takes it where it is admitted", async (name, value) => {
    expect(await problem({ env: env(), [name]: value })).toMatch(`options.${name} is refused`);
    const { options, close } = await guardQueryOptions({ env: env(), [name]: value }, session, {
      admit: [name],
    });
    expect(options).toMatchObject({ [name]: value });
    await close();
  });

  it.each([{}, { settingSources: undefined }, { settingSources: [] }])(
    "settings of files, by %j",
    async (given) => {
      const { options, close } = await guardQueryOptions({ env: env(), ...given }, session);
      expect(options).toMatchObject({ settingSources: [], strictMcpConfig: true });
      await close();
    },
  );

  it("hooks that answer in a person's place, and agents that bring servers", async () => {
    expect(await problem({ env: env(), hooks: { PermissionRequest: [] } })).toMatch(
      "hooks.PermissionRequest",
    );
    const agents = { helper: { mcpServers: [{ crm: { type: "http", url: "http://crm" } }] } };
    expect(await problem({ env: env(), agents })).toMatch("agents.helper.mcpServers");
  });

  it.each(["pay-roll", "a__b", "crm_", "CRM", "constructor-"])("the server name %s", async (name) => {
    expect(await problem({ env: env(), mcpServers: { [name]: {} } })).toMatch("is not a name for a policy");
  });

  it("providers that it cannot stand before, and an environment without a key", async () => {
    expect(await problem({ env: env({ CLAUDE_CODE_USE_BEDROCK: "1" }) })).toMatch("CLAUDE_CODE_USE_BEDROCK");
    expect(await problem({ env: {} })).toMatch("ANTHROPIC_API_KEY");
    const { options } = await guardQueryOptions({ env: { A: "1" } }, session, { models: "unguarded" });
    expect(options.env).toEqual({ A: "1" });
  });

  it("a wrong option, by its name", async () => {
    expect(await problem({ env: env() }, { toolset: "my-tools" })).toMatch("guardQueryOptions.toolset");
    expect(await problem({ env: env() }, { deadlineMs: 0 })).toMatch("guardQueryOptions.deadlineMs");
    expect(await problem({ env: env() }, { failOpen: true } as object)).toMatch("failOpen");
  });

  it.each(["1.0.128", "2.0.77", "2.0.999", "2.1.316", "3.0.0"])("claude %s", (version) => {
    expect(() => assertTestedVersion(version)).toThrow(ConfigurationError);
  });
});

describe("the door", () => {
  it("takes its own key from a claude that is tested, and passes neither it nor another on", async () => {
    const { options, close } = await guardQueryOptions(
      { env: env({ ANTHROPIC_AUTH_TOKEN: "other" }) },
      session,
    );
    const { ANTHROPIC_API_KEY: key, ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: token } = options.env;
    expect(token).toBeUndefined();
    const knock = async (headers: Readonly<Record<string, string>>, path = "/v1/messages") => {
      const body = JSON.stringify({
        model: "claude-haiku-5-5",
        max_tokens: 1,
        messages: [{ role: "user", content: "x" }],
      });
      const common = { "content-type": "application/json", "anthropic-version": "2023-06-01" };
      return (await fetch(url + path, { method: "POST", headers: { ...common, ...headers }, body })).status;
    };
    const claude = { "user-agent": "claude-cli/2.1.330 (external, sdk-ts)" };
    expect(await knock({ ...claude, "x-api-key": "real" })).toBe(401);
    expect(await knock(claude)).toBe(401);
    expect(await knock({ "x-api-key": key })).toBe(403);
    expect(await knock({ "user-agent": "claude-cli/2.1.77 (x)", "x-api-key": key })).toBe(403);
    expect(await knock({ ...claude, "x-api-key": key }, "/v1/files")).toBe(403);
    expect(provider.requests).toEqual([]);
    expect(await knock({ ...claude, "x-api-key": key })).toBe(200);
    expect(await knock({ ...claude, authorization: `Bearer ${key}` })).toBe(200);
    for (const { headers } of provider.requests) {
      expect(headers["x-api-key"]).toBe("real");
      expect(JSON.stringify(headers)).not.toContain(key);
    }
    await close();
    await expect(knock({ ...claude, "x-api-key": key })).rejects.toThrow();
  });
});
