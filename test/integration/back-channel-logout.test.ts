import { setTimeout as sleep } from "node:timers/promises";
import { ConfigurationError, createGuard, memoryState, type Guard, type StateStore } from "hopguard";
import {
  backChannelLogout,
  jwt,
  loginsOf,
  memoryReplays,
  type BackChannelLogoutOptions,
} from "hopguard/identity";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { serve, type FetchHandler } from "../../examples/shared/serve";
import { startOpenIdProvider } from "../support/openid-provider";
import { seconds, TokenSigner } from "../support/token-signer";

const ISSUER = "https://idp.example";
const API = "https://desk.example";
const EVENT = "http://schemas.openid.net/event/backchannel-logout";
const signer = new TokenSigner();
const hop = { kind: "mcp_desk", action: "tools/list" };

const logoutClaims = (more: object = {}) => ({
  ...{ iss: ISSUER, aud: "desk", iat: seconds(), exp: seconds(120), jti: crypto.randomUUID() },
  ...{ sub: "ada", sid: "S-1", events: { [EVENT]: {} } },
  ...more,
});
const logoutToken = (more: object = {}, header: object = {}) =>
  signer.sign(logoutClaims(more), { typ: "logout+jwt", ...header });
const accessToken = (more: object = {}) =>
  signer.sign({
    ...{ iss: ISSUER, aud: API, iat: seconds(), exp: seconds(3600), sub: "ada", roles: ["clerk"] },
    ...more,
  });

/** A guard that knows the issuer, and the address that the issuer posts logouts to. */
async function relyingParty(
  more: Partial<BackChannelLogoutOptions> = {},
  { state = memoryState(), ...identity }: { state?: StateStore; issuer?: string } = {},
) {
  const jwks = identity.issuer === undefined ? { jwks: await signer.jwks() } : {};
  const issuer = identity.issuer ?? ISSUER;
  const guard = createGuard({
    pdp: stubPdp({ rules: [() => true] }),
    audit: () => undefined,
    state,
    repeats: false,
    timeoutMs: 5000,
    identity: jwt({ issuer, audience: API, ...jwks }),
  });
  const errors: unknown[] = [];
  const options = { guard, issuer, audience: "desk", ...jwks };
  const onError = (error: unknown) => errors.push(error);
  const url = await serving(backChannelLogout({ ...options, onError, ...more }));
  const post = (body: BodyInit, headers: Record<string, string> = {}) =>
    fetch(url, { method: "POST", body, headers });
  const logOut = (token: string) => post(new URLSearchParams({ logout_token: token }));
  return { guard, url, post, logOut, errors };
}

async function serving(handler: FetchHandler): Promise<string> {
  const server = await serve(handler);
  onTestFinished(() => server.stop());
  return `${server.url}/logout`;
}

/** Opens a session with each token, and says afterwards how each of them fares. */
async function sessionsOf(guard: Guard, ...tokens: readonly string[]) {
  const sessions = await Promise.all(
    tokens.map((token) => guard.session({ token, agent: { id: "bot" }, id: crypto.randomUUID() })),
  );
  return async (): Promise<readonly string[]> =>
    Promise.all(
      sessions.map(async (session) => {
        const decision = await session.check(hop);
        return decision.effect === "allow" ? "allow" : decision.denial.code;
      }),
    );
}

describe("a logout at a real OpenID provider", () => {
  const ada = { roles: ["clerk"], sid: "S-1" };

  it("ends the session that it names, and no other of the user's", async () => {
    let handler: FetchHandler = () => Promise.resolve(new Response(null, { status: 500 }));
    const uri = await serving((request) => handler(request));
    const openid = await startOpenIdProvider({ ada }, { uri, withSession: true });
    onTestFinished(() => openid.stop());
    const { guard, errors } = await relyingParty({}, { issuer: openid.issuer });
    handler = backChannelLogout({
      guard,
      issuer: openid.issuer,
      audience: "desk",
      onError: (error) => errors.push(error),
    });
    const outcomes = await sessionsOf(guard, await openid.jwt("ada", { audience: API }));
    expect(await outcomes()).toEqual(["allow"]);
    await openid.logOut("ada", "S-2");
    expect(await outcomes()).toEqual(["allow"]);
    await openid.logOut("ada", "S-1");
    expect(await outcomes()).toEqual(["revoked"]);
    expect(errors).toEqual([]);
    expect(await guard.revocations()).toContainEqual(
      expect.objectContaining({
        target: { login: loginsOf({ iss: openid.issuer, sid: "S-1" })[0] },
        reason: "logged out",
        author: openid.issuer,
      }),
    );
  });

  it("of all sessions ends them all, until the user has logged in again", async () => {
    let handler: FetchHandler = () => Promise.resolve(new Response(null, { status: 500 }));
    const uri = await serving((request) => handler(request));
    const openid = await startOpenIdProvider({ ada, bob: ada }, { uri, withSession: false });
    onTestFinished(() => openid.stop());
    const { guard } = await relyingParty({}, { issuer: openid.issuer });
    handler = backChannelLogout({ guard, issuer: openid.issuer, audience: "desk" });
    const jwtOf = (user: string) => openid.jwt(user, { audience: API });
    const outcomes = await sessionsOf(guard, await jwtOf("ada"), await jwtOf("bob"));
    await openid.logOut("ada", "S-1");
    expect(await outcomes()).toEqual(["revoked", "allow"]);
    // The provider writes whole seconds.
    await sleep(1100);
    const again = await sessionsOf(guard, await jwtOf("ada"));
    expect(await again()).toEqual(["allow"]);
    expect(await outcomes()).toEqual(["revoked", "allow"]);
  });
});

describe("a logout", () => {
  it("of a session ends it for good, and what does not say of which session it is", async () => {
    const { guard, logOut } = await relyingParty();
    const outcomes = await sessionsOf(
      guard,
      await accessToken({ sid: "S-1" }),
      await accessToken({ sid: "S-1", iat: seconds(3), exp: seconds(3600) }),
      await accessToken({ sid: "S-2" }),
      await accessToken(),
      await accessToken({ sub: "bob" }),
    );
    const response = await logOut(await logoutToken());
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.text()).toBe("");
    expect(await outcomes()).toEqual(["revoked", "revoked", "allow", "revoked", "allow"]);
  });

  it("of a session alone says nothing of the user's others", async () => {
    const { guard, logOut } = await relyingParty();
    const outcomes = await sessionsOf(guard, await accessToken({ sid: "S-1" }), await accessToken());
    expect((await logOut(await logoutToken({ sub: undefined }))).status).toBe(200);
    expect(await outcomes()).toEqual(["revoked", "allow"]);
  });

  it("of a user ends what was issued before, by the later of both clocks", async () => {
    const { guard, logOut } = await relyingParty();
    const issued = (fromNow: number, sid?: string) =>
      accessToken({ iat: seconds(fromNow), ...(sid !== undefined && { sid }) });
    const outcomes = await sessionsOf(
      guard,
      await issued(-60),
      await issued(-60, "S-7"),
      await issued(3, "S-7"),
      await issued(5, "S-8"),
      await accessToken({ sub: "bob" }),
    );
    // The provider's clock is ahead.
    expect((await logOut(await logoutToken({ sid: undefined, iat: seconds(3) }))).status).toBe(200);
    expect(await outcomes()).toEqual(["revoked", "revoked", "revoked", "allow", "allow"]);
  });

  it("is forgotten when no token can be left of the login", async () => {
    const state = memoryState();
    const { logOut } = await relyingParty({ revokeForMs: 60_000 }, { state });
    await logOut(await logoutToken());
    const [one] = await state.revocations.list();
    const till = Date.parse(one?.expires_at ?? "") - Date.now();
    expect(till).toBeGreaterThan(50_000);
    expect(till).toBeLessThanOrEqual(60_000);
  });

  it("may come with other fields, another charset in capitals, and more in its event", async () => {
    const { post, guard } = await relyingParty();
    const token = await logoutToken({ events: { [EVENT]: { revoke_offline_access: true } }, aud: ["desk"] });
    const body = `client=desk&logout_token=${token}`;
    const headers = { "content-type": 'application/x-www-form-urlencoded; Charset="UTF-8"' };
    expect((await post(body, headers)).status).toBe(200);
    expect(await guard.revocations()).toHaveLength(2);
  });

  it.each(["JWT", "application/logout+jwt", undefined])(
    "may be of the type %s, as with older providers",
    async (typ) => {
      const { logOut, guard } = await relyingParty();
      const token = await signer.sign(logoutClaims(), typ === undefined ? {} : { typ });
      expect((await logOut(token)).status).toBe(200);
      expect(await guard.revocations()).toHaveLength(2);
    },
  );

  it("takes nothing from a revocation that stands", async () => {
    const { guard, logOut } = await relyingParty();
    const [login = ""] = loginsOf({ iss: ISSUER, sid: "S-1" });
    await guard.revoke({ login }, { reason: "stolen", author: "ops" });
    await logOut(await logoutToken());
    const found = (await guard.revocations()).find(({ target }) => target.login === login);
    expect(found).not.toHaveProperty("expires_at");
    expect(found).not.toHaveProperty("issued_before");
  });
});

describe("no logout is", () => {
  const without = (claim: string) => logoutToken({ [claim]: undefined });
  const good = { typ: "logout+jwt", alg: "ES256", kid: "es-1" };
  const raw = (header: object, claims: string | object) => signer.signRaw(header, claims);
  const bad: readonly [name: string, token: () => string | Promise<string>, reason: RegExp][] = [
    ["nothing", () => "", /no token/],
    ["garbage", () => "a.b.c", /cannot be read/],
    ["an access token", () => accessToken({ aud: "desk", jti: "J" }), /logout/],
    ["an ID token with events", () => logoutToken({ nonce: "n" }), /nonce/],
    ["a token with an empty nonce", () => logoutToken({ nonce: null }), /nonce/],
    ["a token of another type", () => logoutToken({}, { typ: "at+jwt" }), /\(typ\)/],
    ["a token without events", () => without("events"), /logout/],
    ["a token of another event", () => logoutToken({ events: { "https://other.example": {} } }), /logout/],
    ["a token of two events", () => logoutToken({ events: { [EVENT]: {}, other: {} } }), /logout/],
    ["an event that is true", () => logoutToken({ events: { [EVENT]: true } }), /logout/],
    ["an event in a list", () => logoutToken({ events: [EVENT] }), /logout/],
    ["events as text", () => logoutToken({ events: EVENT }), /logout/],
    ["a token of nobody", () => logoutToken({ sub: undefined, sid: undefined }), /neither/],
    ["a token of an empty session", () => logoutToken({ sid: "" }), /sid/],
    ["a token of a number", () => raw(good, logoutClaims({ sub: 7 })), /sub/],
    ["a token without an id", () => without("jti"), /jti/],
    ["a token of another issuer", () => logoutToken({ iss: "https://evil.example" }), /"iss"/],
    ["a token of no issuer", () => without("iss"), /"iss"/],
    ["a token for another client", () => logoutToken({ aud: "other" }), /not for us/],
    ["a token for two clients", () => logoutToken({ aud: ["desk", "other"] }), /one audience/],
    ["a token for nobody", () => without("aud"), /one audience/],
    ["a token of no time", () => without("iat"), /iat is no time/],
    ["an old token", () => logoutToken({ iat: seconds(-125) }), /too long ago/],
    ["a token of the future", () => logoutToken({ iat: seconds(60) }), /in the future/],
    ["an expired token", () => logoutToken({ exp: seconds(-1) }), /exp/],
    ["a token that is not valid yet", () => logoutToken({ nbf: seconds(60) }), /nbf/],
    ["a token of a key that nobody knows", () => logoutToken({}, { kid: "foreign-1" }), /no applicable key/],
    ["a token of another key", () => signer.signRaw(good, logoutClaims(), "foreign-1"), /signature/],
    ["a token of an algorithm that nobody asked for", () => logoutToken({}, { kid: "es-384" }), /alg/],
    ["a token signed with a public key", () => signer.signWithPublicKey(logoutClaims(), "rsa-1"), /alg/i],
    ["an unsigned token", async () => unsigned(await logoutToken()), /no signed JWT/],
    [
      "a token with a claim twice",
      () => raw(good, `{"sid":"S-2",${JSON.stringify(logoutClaims()).slice(1)}`),
      /twice/,
    ],
    ["a token that demands an extension", () => raw({ ...good, crit: ["exp"] }, logoutClaims()), /\(crit\)/],
    ["a token that brings its key along", () => raw({ ...good, jwk: {} }, logoutClaims()), /\(jwk\)/],
    ["an encrypted token", () => signer.encrypt(logoutClaims()), /no signed JWT/],
    ["a token that is too long", () => logoutToken({ padding: "x".repeat(16_000) }), /longer than/],
  ];
  it.each(bad)("%s", async (_, token, reason) => {
    const { guard, logOut, errors } = await relyingParty();
    const response = await logOut(await token());
    expect(response.status).toBe(400);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({ error: "invalid_request" });
    expect(await guard.revocations()).toEqual([]);
    expect(String((errors[0] as Error).cause)).toMatch(reason);
  });

  it("one that was sent before, unless it failed", async () => {
    const state = memoryState();
    const away = () => Promise.reject(new Error("the state is away"));
    let isAway = true;
    const revocations: StateStore["revocations"] = {
      ...state.revocations,
      revoke: (revocation) => (isAway ? away() : state.revocations.revoke(revocation)),
    };
    const { guard, logOut, errors } = await relyingParty({}, { state: { ...state, revocations } });
    const token = await logoutToken();
    const failed = await logOut(token);
    expect(failed.status).toBe(503);
    expect(failed.headers.get("cache-control")).toBe("no-store");
    expect(await failed.json()).toEqual({ error: "temporarily_unavailable" });
    expect(String(errors[0])).toContain("the state is away");
    isAway = false;
    expect((await logOut(token)).status).toBe(200);
    expect(await guard.revocations()).toHaveLength(2);
    await guard.restore({ login: loginsOf({ iss: ISSUER, sid: "S-1" })[0] ?? "" });
    expect((await logOut(token)).status).toBe(400);
    expect(await guard.revocations()).toHaveLength(1);
  });

  it("one that another process has seen", async () => {
    const replays = memoryReplays(() => new Date());
    const [one, other] = [await relyingParty({ replays }), await relyingParty({ replays })];
    const token = await logoutToken();
    expect((await one.logOut(token)).status).toBe(200);
    expect((await other.logOut(token)).status).toBe(400);
    expect(await other.guard.revocations()).toEqual([]);
  });

  it("one of which nobody can say whether it was seen", async () => {
    const claim = () => Promise.reject(new Error("away"));
    const { guard, logOut } = await relyingParty({ replays: { claim, release: () => undefined } });
    expect((await logOut(await logoutToken())).status).toBe(503);
    expect(await guard.revocations()).toEqual([]);
  });

  it("one whose keys cannot be had", async () => {
    const jwks = await serving(() => Promise.resolve(new Response(null, { status: 500 })));
    const { guard, logOut, errors } = await relyingParty({ jwks });
    expect((await logOut(await logoutToken())).status).toBe(503);
    expect(await guard.revocations()).toEqual([]);
    expect(String(errors[0])).toContain("cannot be had");
  });
});

describe("a request that is no form with a token", () => {
  const form = "application/x-www-form-urlencoded";

  it.each(["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])("is refused: %s", async (method) => {
    const { url, guard } = await relyingParty();
    const token = await logoutToken();
    const response = await fetch(`${url}?logout_token=${token}`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST");
    expect(await guard.revocations()).toEqual([]);
  });

  it.each([
    "application/json",
    "text/plain",
    "multipart/form-data; boundary=x",
    `${form}; charset=utf-16`,
    "",
  ])("is refused: content type %j", async (type) => {
    const { post, guard } = await relyingParty();
    const body = Buffer.from(`logout_token=${await logoutToken()}`);
    const response = await post(body, type === "" ? {} : { "content-type": type });
    expect(response.status).toBe(415);
    expect(await response.json()).toEqual({ error: "invalid_request" });
    expect(await guard.revocations()).toEqual([]);
  });

  it.each([
    ["no field", () => ""],
    ["another field", (token: string) => `id_token=${token}`],
    ["the field in capitals", (token: string) => `LOGOUT_TOKEN=${token}`],
    ["the field twice", (token: string) => `logout_token=${token}&logout_token=${token}`],
    ["the field twice, once empty", (token: string) => `logout_token=&logout_token=${token}`],
    ["what is no UTF-8", (token: string) => Buffer.from([0xff, ...Buffer.from(`&logout_token=${token}`)])],
  ])("is refused: %s", async (_, body) => {
    const { post, guard } = await relyingParty();
    const response = await post(body(await logoutToken()), { "content-type": form });
    expect(response.status).toBe(400);
    expect(await guard.revocations()).toEqual([]);
  });

  it("is read no further than the longest", async () => {
    const guard = createGuard({ pdp: stubPdp({ rules: [] }), audit: () => undefined });
    const handler = backChannelLogout({ guard, issuer: ISSUER, audience: "desk", jwks: await signer.jwks() });
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled++;
        controller.enqueue(new Uint8Array(1000).fill(120));
      },
    });
    const init = { method: "POST", headers: { "content-type": form }, body, duplex: "half" };
    const response = await handler(new Request("http://localhost/logout", init));
    expect(response.status).toBe(413);
    expect(pulled).toBeLessThan(50);
    expect(await guard.revocations()).toEqual([]);
  });

  it("is refused when it breaks off", async () => {
    const guard = createGuard({ pdp: stubPdp({ rules: [] }), audit: () => undefined });
    const handler = backChannelLogout({ guard, issuer: ISSUER, audience: "desk", jwks: await signer.jwks() });
    const body = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
    const init = { method: "POST", headers: { "content-type": form }, body, duplex: "half" };
    expect((await handler(new Request("http://localhost/logout", init))).status).toBe(400);
  });
});

it.each<[string, object, RegExp]>([
  ["no guard", { guard: {} }, /backChannelLogout.guard/],
  ["no issuer", { issuer: "" }, /backChannelLogout.issuer/],
  ["no client", { audience: undefined }, /backChannelLogout.audience/],
  ["an issuer over plain HTTP, and no keys", { issuer: "http://idp.example", jwks: undefined }, /https/],
  ["algorithms with a secret", { algorithms: ["HS256"] }, /algorithms/],
  ["an age of hours", { maxAgeMs: 7_200_000 }, /maxAgeMs/],
  ["replays that cannot take anything back", { replays: { claim: () => true } }, /replays/],
])("options that are wrong are found at once: %s", async (_, wrong, message) => {
  const guard = createGuard({ pdp: stubPdp({ rules: [] }), audit: () => undefined });
  const good = { guard, issuer: ISSUER, audience: "desk", jwks: await signer.jwks() };
  const make = () => backChannelLogout({ ...good, ...wrong });
  expect(make).toThrow(ConfigurationError);
  expect(make).toThrow(message);
});

const unsigned = (token: string): string =>
  `${Buffer.from(JSON.stringify({ alg: "none" })).toString("base64url")}.${token.split(".")[1] ?? ""}.`;
