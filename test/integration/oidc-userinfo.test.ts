import { setTimeout as sleep } from "node:timers/promises";
import { ConfigurationError, createGuard, type AttributeProvider } from "hopguard";
import { oidcUserinfo, type OidcUserinfoOptions } from "hopguard/enrichment";
import { stubPdp } from "hopguard/testing";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
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
    ["is empty", () => Promise.resolve(""), /no access token/],
    ["is not there", () => Promise.resolve(undefined as never), /no access token/],
    ["cannot be had", () => Promise.reject(new Error("nobody is logged in")), /nobody is logged in/],
    ["carries a header of its own", () => Promise.resolve("secret\r\nx-admin: 1"), /no access token/],
    ["no header can hold", () => Promise.resolve("secret\u0000"), /no access token/],
  ])("%s", async (_case, token, detail) => {
    const result = await enriched(directory("", { accessToken: token }));
    expect(result).toMatchObject({ code: "enrichment_failed", attr: undefined });
    expect(result.detail).toMatch(detail);
    expect(result.detail).not.toContain("secret");
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

describe("the hop is denied, and the PDP not asked, where the issuer answers about the user with", () => {
  it.each<[string, () => Response, RegExp]>([
    ["a redirect, which would take the token with it", () => Response.redirect(`${openid.issuer}/me`), /302/],
    ["nobody", () => Response.json({ department: "support" }), /sub/],
    ["a number of a user", () => Response.json({ sub: 1 }), /sub/],
    ["the user's name in another case", () => Response.json({ sub: "U-1" }), /another user/],
    [
      "two users",
      () => new Response('{"sub":"u-2","sub":"u-1"}', { headers: { "content-type": "application/json" } }),
      /twice/,
    ],
    ["a page", () => new Response("<html>"), /JSON/],
    ["a signed token that it was not asked for", () => new Response("eyJhbGciOiJub25lIn0.e30."), /JSON/],
    ["nothing", () => new Response(null, { status: 204 }), /204/],
    ["an error", () => Response.json({ sub: "u-1", department: "support" }, { status: 500 }), /500/],
    ["more than anybody reads", () => Response.json({ sub: "u-1", bio: "x".repeat(70_000) }), /longer than/],
  ])("%s", async (_case, answer, detail) => {
    const asked: string[] = [];
    const other = await serve(({ url, headers }) => {
      const { origin, pathname } = new URL(url);
      asked.push(pathname);
      if (pathname !== "/me")
        return Promise.resolve(Response.json({ issuer: origin, userinfo_endpoint: `${origin}/me` }));
      expect(headers.get("authorization")).toBe("Bearer a-token");
      return Promise.resolve(answer());
    });
    onTestFinished(() => other.stop());
    const before = openid.requests.length;
    const result = await enriched(directory("a-token", { issuer: other.url }));
    expect(result).toMatchObject({ code: "enrichment_failed", attr: undefined });
    expect(result.detail).toMatch(detail);
    expect(result.detail).not.toContain("a-token");
    expect(asked).toEqual(["/.well-known/openid-configuration", "/me"]);
    expect(openid.requests).toHaveLength(before);
  });
});

describe("while the OpenID provider is down", () => {
  const session = async (provider: AttributeProvider, timeoutMs = 5000) => {
    const pdp = stubPdp({ rules: [() => true] });
    const guard = createGuard({ pdp, audit: () => undefined, enrich: [provider], timeoutMs });
    const opened = await guard.session({ principal: { id: "u-1", roles: ["clerk"] }, agent: { id: "bot" } });
    const codeOf = async (): Promise<string> => {
      const decision = await opened.check({ kind: "mcp_desk", action: "tools/list" });
      return decision.effect === "allow" ? "allow" : decision.denial.code;
    };
    return { pdp, codeOf };
  };

  it("every hop is denied, whether it was found before or not", async () => {
    const dying = await startOpenIdProvider({ "u-1": { department: "support" } });
    const token = await dying.accessToken("u-1");
    const { pdp, codeOf } = await session(directory(token, { issuer: dying.issuer, keys: ["department"] }));
    expect(await codeOf()).toBe("allow");
    const asked = pdp.queries.length;
    await dying.stop();
    expect(await codeOf()).toBe("enrichment_failed");
    const fresh = await session(directory(token, { issuer: dying.issuer }));
    expect(await fresh.codeOf()).toBe("enrichment_failed");
    expect([pdp.queries.length, fresh.pdp.queries.length]).toEqual([asked, 0]);
  });

  it("works again by itself when it is back, though it was down when it was looked for", async () => {
    let isDown = true;
    const other = await serve(({ url }) => {
      if (isDown) return Promise.resolve(new Response(null, { status: 503 }));
      const { origin, pathname } = new URL(url);
      return Promise.resolve(
        Response.json(
          pathname === "/me" ? { sub: "u-1" } : { issuer: origin, userinfo_endpoint: `${origin}/me` },
        ),
      );
    });
    onTestFinished(() => other.stop());
    const { codeOf } = await session(directory("a-token", { issuer: other.url }));
    expect(await codeOf()).toBe("enrichment_failed");
    isDown = false;
    expect(await codeOf()).toBe("allow");
  });

  it("one that hangs is waited for no longer than the deadline", async () => {
    const other = await serve(() => new Promise<Response>(() => undefined));
    onTestFinished(() => other.stop());
    const { pdp, codeOf } = await session(directory("a-token", { issuer: other.url }), 100);
    expect(await codeOf()).toMatch(/enrichment_failed|timeout/);
    expect(pdp.queries).toEqual([]);
  });
});

it("the token is not sent in the clear where the issuer is not", async () => {
  const asked: string[] = [];
  const issuer = "https://login.example";
  const fetch = (input: unknown) => {
    asked.push(String(input));
    return Promise.resolve(Response.json({ issuer, userinfo_endpoint: "http://login.example/me" }));
  };
  const { code, detail } = await enriched(directory("a-token", { issuer, fetch }));
  expect(code).toBe("enrichment_failed");
  expect(detail).toContain("show the token to the network");
  expect(asked).toEqual([`${issuer}/.well-known/openid-configuration`]);
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
