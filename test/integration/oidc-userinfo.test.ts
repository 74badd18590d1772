import { setTimeout as sleep } from "node:timers/promises";
import { ConfigurationError, createGuard } from "hopguard";
import { oidcUserinfo, type OidcUserinfoOptions } from "hopguard/enrichment";
import { stubPdp } from "hopguard/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { serve } from "../../examples/shared/serve";
import { enriched } from "../support/enriched";
import { startOpenIdProvider, type OpenIdProvider } from "../support/openid-provider";

let openid: OpenIdProvider;

beforeAll(async () => {
  openid = await startOpenIdProvider({
    "u-1": { department: "support", refund_limit_cents: 5000 },
    "u-2": { department: "finance", refund_limit_cents: 90_000 },
    "u-3": {},
  });
});
afterAll(() => openid.stop());

const directory = (token: string, options: Partial<OidcUserinfoOptions> = {}) =>
  oidcUserinfo({
    issuer: openid.issuer,
    accessToken: () => token,
    keys: ["department", "refund_limit_cents"],
    ...options,
  });

describe("an OpenID provider", () => {
  it("says what the user is, of the claims that the policy is to know", async () => {
    const token = await openid.accessToken("u-1");
    const { code, attr } = await enriched(directory(token));
    expect(code).toBe("allow");
    expect(attr).toMatchObject({ department: "support", refund_limit_cents: 5000 });
    const fewer = await enriched(directory(token, { keys: ["department"] }));
    expect(fewer.attr).not.toHaveProperty("refund_limit_cents");
    expect(fewer.attr).not.toHaveProperty("sub");
  });

  it("leaves out what the user does not have, and what the token is not for", async () => {
    const without = await enriched(directory(await openid.accessToken("u-3")), undefined, "u-3");
    expect(without.code).toBe("allow");
    expect(without.attr).not.toHaveProperty("department");
    const narrow = await enriched(directory(await openid.accessToken("u-1", { scope: "openid" })));
    expect(narrow.code).toBe("allow");
    expect(narrow.attr).not.toHaveProperty("refund_limit_cents");
  });

  it("is looked for once, and asked on every hop", async () => {
    const token = await openid.accessToken("u-1");
    const guard = createGuard({
      pdp: stubPdp({ rules: [() => true] }),
      audit: () => undefined,
      enrich: [directory(token)],
      timeoutMs: 5000,
    });
    const session = await guard.session({ principal: { id: "u-1", roles: ["clerk"] }, agent: { id: "bot" } });
    const before = openid.requests.length;
    for (let call = 0; call < 3; call++) await session.check({ kind: "mcp_desk", action: "tools/list" });
    expect(openid.requests.slice(before)).toEqual(["/.well-known/openid-configuration", "/me", "/me", "/me"]);
    await openid.revoke(token);
    const decision = await session.check({ kind: "mcp_desk", action: "tools/list" });
    expect(decision).toMatchObject({ effect: "deny", denial: { code: "enrichment_failed" } });
  });

  it("may know the user by another name than the policy", async () => {
    const token = await openid.accessToken("u-1");
    const subject: OidcUserinfoOptions["subject"] = ({ principal }) => principal.id.replace("ada@", "");
    expect((await enriched(directory(token, { subject }), undefined, "ada@u-1")).code).toBe("allow");
    expect((await enriched(directory(token, { subject }), undefined, "ada@u-2")).code).toBe(
      "enrichment_failed",
    );
  });
});

describe("the hop is denied, and the PDP not asked, for a token that", () => {
  it.each<[string, () => Promise<string>, RegExp]>([
    ["is another user's", () => openid.accessToken("u-2"), /about another user/],
    ["is not for this", () => openid.accessToken("u-1", { scope: "work" }), /answered 40[13]/],
    ["was made up", () => Promise.resolve("a-token"), /answered 401/],
    ["is empty", () => Promise.resolve(""), /answered 40[01]/],
    ["cannot be had", () => Promise.reject(new Error("nobody is logged in")), /nobody is logged in/],
    ["carries a header of its own", () => Promise.resolve("x\r\nx-admin: 1"), /header/i],
  ])("%s", async (_case, token, detail) => {
    const result = await enriched(directory("", { accessToken: token }));
    expect(result).toMatchObject({ code: "enrichment_failed", attr: undefined });
    expect(result.detail).toMatch(detail);
  });

  it("has expired", async () => {
    const token = await openid.accessToken("u-1", { expiresIn: 1 });
    expect((await enriched(directory(token))).code).toBe("allow");
    await sleep(2100);
    expect(await enriched(directory(token))).toMatchObject({ code: "enrichment_failed", attr: undefined });
  });
});

describe("the hop is denied, and the token not shown, where the issuer", () => {
  it("names itself otherwise", async () => {
    const before = openid.requests.length;
    const issuer = openid.issuer.replace("127.0.0.1", "localhost");
    const { code, detail } = await enriched(directory(await openid.accessToken("u-1"), { issuer }));
    expect(code).toBe("enrichment_failed");
    expect(detail).toContain("another issuer");
    expect(openid.requests.slice(before)).toEqual(["/.well-known/openid-configuration"]);
  });

  it("has no userinfo endpoint, or leads elsewhere", async () => {
    const asked: string[] = [];
    const other = await serve((request) => {
      asked.push(
        `${new URL(request.url).pathname} ${request.headers.get("authorization") ?? "without a token"}`,
      );
      return Promise.resolve(
        request.url.includes("/moved/")
          ? Response.redirect(`${openid.issuer}/.well-known/openid-configuration`)
          : Response.json({ issuer: new URL(request.url).origin }),
      );
    });
    try {
      for (const issuer of [other.url, `${other.url}/moved/`]) {
        expect((await enriched(directory("a-token", { issuer }))).code).toBe("enrichment_failed");
      }
      expect(asked).toEqual([
        "/.well-known/openid-configuration without a token",
        "/moved/.well-known/openid-configuration without a token",
      ]);
    } finally {
      await other.stop();
    }
  });
});

it.each<[string, object, RegExp]>([
  ["no issuer", { issuer: "login.example" }, /oidcUserinfo\.issuer/],
  ["a token that cannot be renewed", { accessToken: "a-token" }, /oidcUserinfo\.accessToken/],
  ["no claims", { keys: [] }, /oidcUserinfo\.keys/],
  ["something else to add to", { adds: "agent" }, /adds/],
])("a wrong option of oidcUserinfo is refused where it is given: %s", (_case, options, message) => {
  expect(() => directory("", options)).toThrow(ConfigurationError);
  expect(() => directory("", options)).toThrow(message);
});

it("claims that are the guard's own are refused by the guard", () => {
  const enrich = [directory("", { keys: ["agent"] })];
  expect(() => createGuard({ pdp: stubPdp(), enrich })).toThrow(/enrich\.userinfo\.keys: agent/);
});
