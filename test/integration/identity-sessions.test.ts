import { setTimeout as sleep } from "node:timers/promises";
import {
  ConfigurationError,
  createGuard,
  findDenial,
  type Denial,
  type PdpQuery,
  type PolicyDecisionPoint,
  type Session,
  type TokenSource,
} from "hopguard";
import { guardFetch } from "hopguard/fetch";
import { byIssuer, jwt, loginsOf, spiffe, type TokenVerifier } from "hopguard/identity";
import { stubPdp, type StubPdp } from "hopguard/testing";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";
import { auditRecorder, type AuditRecorder } from "../support/audit-recorder";
import { AUDIENCE, goodClaims, ISSUER } from "../support/bad-tokens";
import { seconds, TokenSigner } from "../support/token-signer";

const hop = { kind: "mcp_desk", action: "tools/list" };
const signer = new TokenSigner();
const partner = new TokenSigner();
const PARTNER = "https://partner.example";

let pdp: StubPdp;
let audit: AuditRecorder;
/** Moved on by the tests, for the guard and its verifiers alike. */
let ahead = 0;
const clock = () => new Date(Date.now() + ahead);
beforeEach(() => {
  pdp = stubPdp({ rules: [() => true] });
  audit = auditRecorder();
  ahead = 0;
});

const verifier = async (options = {}) =>
  jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await signer.jwks(), clock, ...options });
const open = (identity: TokenVerifier, token: TokenSource) =>
  createGuard({ pdp, audit, identity, clock, repeats: false }).session({ token, agent: { id: "bot" } });

describe("an agent with a token of its own", () => {
  const bot = () => ({ ...goodClaims("bot-1"), roles: ["refunder"] });

  it("is proven on every hop, with the roles of its token", async () => {
    const identity = await verifier();
    const [token, its] = [await signer.sign(goodClaims()), await signer.sign(bot())];
    const guard = createGuard({ pdp, audit, identity, clock, agents: "principal" });
    const session = await guard.session({ token, agent: { id: "bot-1", version: "2", token: its } });
    await session.check(hop);
    expect(pdp.queries.map(({ principal }) => [principal.id, principal.roles])).toEqual([
      ["clerk-1", ["clerk"]],
      ["bot-1", ["refunder", "agent"]],
    ]);
    expect(pdp.queries[0]?.principal.attr.agent).toMatchObject({
      id: "bot-1",
      roles: ["refunder"],
      verified: true,
      version: "2",
    });
    ahead = 601_000;
    expect(await session.check(hop)).toMatchObject({ denial: { code: "unauthenticated" } });
  });

  it("is nobody else, and says no roles of its own", async () => {
    const guard = createGuard({ pdp, audit, identity: await verifier(), clock });
    const [token, its] = [await signer.sign(goodClaims()), await signer.sign(bot())];
    const other = await guard.session({ token, agent: { id: "bot-2", token: its } }).catch(findDenial);
    expect(other).toMatchObject({ code: "unauthenticated" });
    expect(audit.records.at(-1)?.detail).toMatch(/bot-1, and not bot-2/);
    const agent = { id: "bot-1", token: its, roles: ["admin"] };
    await expect(guard.session({ token, agent })).rejects.toThrow(/session\.agent\.roles/);
    expect(pdp.queries).toEqual([]);
  });
});

describe("an agent whose own token says more", () => {
  const withBot = async (claims: object) => {
    const its = await signer.sign({ ...goodClaims("bot-1"), ...claims });
    const guard = createGuard({ pdp, audit, identity: await verifier(), clock });
    return guard.session({ token: await signer.sign(goodClaims()), agent: { id: "bot-1", token: its } });
  };

  it("is limited by it, and so is all that it hands on", async () => {
    const actions = ["tools/call/read"];
    const session = await withBot({ authorization_details: [{ type: "mcp_desk", actions }] });
    expect(await session.check({ ...hop, action: "tools/call/read" })).toMatchObject({ effect: "allow" });
    expect(await session.check({ ...hop, action: "tools/call/write" })).toMatchObject({
      denial: {
        code: "delegation_invalid",
        refused_by: "bot-1",
        reason: "The token of bot-1 does not cover this call.",
      },
    });
    expect({ ...(await session.visible("desk", ["read", "write"])) }).toEqual({
      read: "always",
      write: "never",
    });
    const wider = { to: "helper", authorization_details: [{ type: "mcp_desk", actions: ["tools/call/*"] }] };
    expect(await session.delegate(wider).catch(findDenial)).toMatchObject({ code: "delegation_invalid" });
    expect(pdp.queries.map(({ actions }) => actions.join())).not.toContain("tools/call/write");
  });

  it("ends with what was issued before, by the age of its own token and not of the user's", async () => {
    const guard = createGuard({ pdp, audit, identity: await verifier(), clock });
    const open = async (age: number) => {
      const its = await signer.sign({ ...goodClaims("bot-1"), iat: seconds(-age), sid: `login-${age}` });
      return guard.session({ token: await signer.sign(goodClaims()), agent: { id: "bot-1", token: its } });
    };
    const [old, young] = [await open(400), await open(100)];
    const outcomes = async () =>
      Promise.all([old, young].map(async (session) => (await session.check(hop)).effect));
    expect(await outcomes()).toEqual(["allow", "allow"]);
    await guard.revoke({ agent: "bot-1" }, { issuedBefore: new Date((seconds() - 200) * 1000) });
    expect(await outcomes()).toEqual(["deny", "allow"]);
    expect(audit.records.some(({ code }) => code === "revoked")).toBe(true);
    const [login = ""] = loginsOf({ iss: ISSUER, sid: "login-100" });
    await guard.revoke({ login }, { issuedBefore: new Date((seconds() - 50) * 1000) });
    expect(await outcomes()).toEqual(["deny", "deny"]);
  });

  it("acts for nobody with a token by which another acts for it", async () => {
    expect(await withBot({ act: { sub: "bot-2" } }).catch(findDenial)).toMatchObject({
      code: "unauthenticated",
    });
    expect(audit.records.at(-1)?.detail).toMatch(/bot-2, and not bot-1/);
    expect(pdp.queries).toEqual([]);
  });
});

describe("a session that rests on a token", () => {
  it("has no time left when nobody can say what time it is", async () => {
    let isBroken = false;
    const guardClock = () => new Date(isBroken ? NaN : Date.now());
    const guard = createGuard({ pdp, audit, identity: await verifier(), clock: guardClock });
    const session = await guard.session({ token: await signer.sign(goodClaims()), agent: { id: "bot" } });
    isBroken = true;
    expect(await session.check(hop)).toMatchObject({ denial: { code: "unauthenticated" } });
    expect(pdp.queries).toEqual([]);
  });

  it("stays with the principal that it was opened for", async () => {
    let token = await signer.sign(goodClaims());
    const session = await open(await verifier(), () => token);
    expect(await session.check(hop)).toMatchObject({ effect: "allow" });
    token = await signer.sign(goodClaims("clerk-2"));
    expect(await session.check(hop)).toMatchObject({ denial: { code: "unauthenticated" } });
    expect(audit.records.at(-1)?.detail).toMatch(/that of clerk-1/);
    expect(pdp.queries).toHaveLength(1);
  });

  it("stays with the issuer that has named its principal: another may have one of that name", async () => {
    const identity = byIssuer(
      await verifier(),
      jwt({ issuer: PARTNER, audience: AUDIENCE, jwks: await partner.jwks() }),
    );
    let token = await signer.sign(goodClaims());
    const session = await open(identity, () => token);
    token = await partner.sign({ ...goodClaims(), iss: PARTNER });
    expect(await session.check(hop)).toMatchObject({ denial: { code: "unauthenticated" } });
    expect(audit.records.at(-1)?.detail).toMatch(/that of clerk-1 at https:\/\/idp\.example/);
    expect(pdp.queries).toEqual([]);
  });

  it("has its principal on every record, also of a hop that proves nobody", async () => {
    let token: string | undefined = await signer.sign(goodClaims());
    const session = await open(await verifier(), () => token ?? "");
    const child = await session.delegate({ to: "helper", authorization_details: [], expiresIn: 10 });
    const subjectOf = async (by: Session) => {
      await by.check(hop);
      const { code, subject, agent } = audit.records.at(-1) ?? {};
      return [code, subject?.id, agent?.id];
    };
    ahead = 11_000;
    expect(await subjectOf(child)).toEqual(["delegation_invalid", "clerk-1", "helper"]);
    token = undefined;
    expect(await subjectOf(session)).toEqual(["unauthenticated", "clerk-1", "bot"]);
    expect(await subjectOf(child)).toEqual(["unauthenticated", "clerk-1", "helper"]);
    token = await signer.sign(goodClaims());
    ahead = 601_000;
    expect(await subjectOf(session)).toEqual(["unauthenticated", "clerk-1", "bot"]);
  });

  it("shows what the token of that moment reaches, and nothing that was found for another's", async () => {
    const claims = (more: object) => signer.sign({ ...goodClaims(), ...more });
    const limit = { authorization_details: [{ type: "mcp_desk", actions: ["tools/call/read"] }] };
    let token = await claims({});
    const session = await open(await verifier(), () => token);
    const shown = async () => ({ ...(await session.visible("desk", ["read", "write"])) });
    expect(await shown()).toEqual({ read: "always", write: "always" });
    token = await claims(limit);
    expect(await shown()).toEqual({ read: "always", write: "never" });
    const asked = pdp.queries.length;
    token = await claims({ ...limit, jti: "renewed" });
    expect(await shown()).toEqual({ read: "always", write: "never" });
    expect(pdp.queries).toHaveLength(asked);
  });

  it("shows nothing that a look-up has found for roles which the session had before", async () => {
    let answer = (): void => undefined;
    const late = new Promise<void>((resolve) => (answer = resolve));
    const isKeeper = ({ principal }: PdpQuery): boolean => principal.roles.includes("keeper");
    const inner = stubPdp({ rules: [isKeeper] });
    const slow: PolicyDecisionPoint = {
      check: async (query, options) => {
        if (isKeeper(query)) await late;
        return inner.check(query, options);
      },
      plan: (query, options) => inner.plan(query, options),
    };
    let roles = ["keeper"];
    const guard = createGuard({ pdp: slow, audit, identity: await verifier(), clock });
    const token = () => signer.sign({ ...goodClaims(), roles });
    const session = await guard.session({ token, agent: { id: "bot" } });
    const before = session.visible("desk", ["close"]);
    await sleep(20);
    roles = ["clerk"];
    await session.visible("desk", ["read"]);
    answer();
    expect({ ...(await before) }).toEqual({ close: "always" });
    expect({ ...(await session.visible("desk", ["close"])) }).toEqual({ close: "never" });
  });

  it("ends with it, to the millisecond, although it was proven a moment before", async () => {
    const exp = seconds(20);
    const session = await open(await verifier(), await signer.sign({ ...goodClaims(), exp }));
    const at = async (time: number) => {
      ahead = time - Date.now();
      const decision = await session.check(hop);
      return decision.effect === "allow" ? "allow" : decision.denial.code;
    };
    expect(await at(exp * 1000 - 500)).toBe("allow");
    expect(await at(exp * 1000)).toBe("unauthenticated");
    expect(pdp.queries).toHaveLength(1);
  });

  it("asks a function on every hop, and has the roles of the token of that moment", async () => {
    let asked = 0;
    const session = await open(await verifier(), async () =>
      signer.sign({ ...goodClaims(), roles: [`role-${++asked}`] }),
    );
    for (let hops = 0; hops < 3; hops++) await session.check(hop);
    expect(pdp.queries.map(({ principal }) => principal.roles)).toEqual([["role-2"], ["role-3"], ["role-4"]]);
  });

  it("goes on with a renewed token, and shares a principal with it while it says the same", async () => {
    let token = await signer.sign({ ...goodClaims(), exp: seconds(60) });
    const session = await open(await verifier(), () => Promise.resolve(token));
    await session.check(hop);
    ahead = 61_000;
    token = await signer.sign({ ...goodClaims(), exp: seconds(600) });
    expect(await session.check(hop)).toMatchObject({ effect: "allow" });
    expect(pdp.queries[1]?.principal).toBe(pdp.queries[0]?.principal);
  });

  it("ends what is under way within a second of its expiry, once, and on record", async () => {
    const session = await open(await verifier(), await signer.sign({ ...goodClaims(), exp: seconds(60) }));
    const ended: Denial[] = [];
    session.watch(hop, (denial) => ended.push(denial));
    await sleep(900);
    expect(ended).toEqual([]);
    ahead = 61_000;
    await sleep(950);
    expect(ended.map(({ code }) => code)).toEqual(["unauthenticated"]);
    expect(audit.of(ended[0]?.decision_id ?? "")).toMatchObject([{ flags: ["recheck"], effect: "deny" }]);
  });

  it("ends a stream of a model, and the call at the provider with it", async () => {
    let isOpen = false;
    const provider = await serve((request) => {
      isOpen = true;
      request.signal.addEventListener("abort", () => (isOpen = false));
      return Promise.resolve(new Response(endlessStream(request.signal), { headers: EVENTS }));
    });
    onTestFinished(() => provider.stop());
    const baseURL = `${provider.url}/v1`;
    let token = await signer.sign({ ...goodClaims(), exp: seconds(60) });
    const session = await open(await verifier(), () => token);
    const chat = () =>
      guardFetch(session, { baseURL })(`${baseURL}/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          model: "gpt-4o-mini",
          stream: true,
          messages: [{ role: "user", content: "On." }],
        }),
      });

    let text = "";
    const reading = (async () => {
      const { body } = await chat();
      for await (const part of body ?? []) text += new TextDecoder().decode(part);
    })().catch(findDenial);
    await expect.poll(() => text).toContain("and on");
    ahead = 61_000;
    await expect.poll(() => isOpen, { timeout: 1500 }).toBe(false);
    expect(await reading).toMatchObject({ code: "unauthenticated" });

    token = await signer.sign({ ...goodClaims(), exp: seconds(600) });
    const response = await chat();
    expect(response.status).toBe(200);
    await response.body?.cancel();
  });
});

const EVENTS = { "content-type": "text/event-stream" };

/** A model that never comes to an end. */
function endlessStream(signal: AbortSignal): ReadableStream<Uint8Array> {
  const chunk = { id: "c-1", object: "chat.completion.chunk", created: 1, model: "gpt-4o-mini" };
  const choices = [{ index: 0, delta: { content: "and on " }, finish_reason: null }];
  return new ReadableStream({
    async pull(controller) {
      await sleep(20);
      if (signal.aborted) return;
      controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify({ ...chunk, choices })}\n\n`));
    },
  });
}

describe("several issuers side by side", () => {
  const TRIAGE = "spiffe://acme.example/agent/triage";
  const sideBySide = async () =>
    byIssuer(
      await verifier(),
      await verifier({
        issuer: PARTNER,
        jwks: await partner.jwks(),
        claims: { idPrefix: "partner:", roles: { claim: "scope", split: " " } },
      }),
      spiffe({
        trustDomains: { "acme.example": { bundle: { keys: [await workloadKey()] } } },
        audience: AUDIENCE,
        roles: { [TRIAGE]: ["triage"] },
        clock,
      }),
    );
  const workloads = new TokenSigner();
  const workloadKey = async () => ({ ...(await workloads.jwk("es-1")), use: "jwt-svid" });
  const svid = { sub: TRIAGE, aud: AUDIENCE, exp: seconds(60) };

  it("prove each its own tokens", async () => {
    const identity = await sideBySide();
    const idOf = async (token: string) => (await identity.verify(token)).principal.id;
    expect(await idOf(await signer.sign(goodClaims()))).toBe("clerk-1");
    expect(await idOf(await partner.sign({ ...goodClaims(), iss: PARTNER, scope: "clerk" }))).toBe(
      "partner:clerk-1",
    );
    expect(await idOf(await workloads.sign(svid))).toBe(TRIAGE);
    expect(await idOf(await workloads.sign({ ...svid, iss: "https://spire.example" }))).toBe(TRIAGE);
  });

  it.each<[string, () => Promise<string>, RegExp]>([
    ["one issuer signs for another", () => partner.sign({ ...goodClaims(), scope: "clerk" }), /signature/],
    ["a workload's issuer signs for a user's", () => workloads.sign(goodClaims()), /signature/],
    ["a user's issuer signs for a workload", () => signer.sign(svid), /signature/],
    ["a token is from two at once", () => signer.sign({ ...goodClaims(), sub: TRIAGE }), /two issuers/],
    ["a token is from nobody here", () => signer.sign({ ...goodClaims(), iss: "https://x" }), /nobody/],
    ["a token says nothing of its issuer", () => signer.sign({ sub: "clerk-1", exp: seconds(60) }), /nobody/],
    [
      "a token is for one issuer's audience and refused there",
      () => partner.sign({ ...goodClaims(), iss: PARTNER, aud: "x", scope: "a" }),
      /aud/,
    ],
    ["there is no token", () => Promise.resolve(""), /no token/],
    ["there is too much of it", () => Promise.resolve("x".repeat(20_000)), /longer than/],
  ])("open no session when %s, and try nobody else", async (_, token, detail) => {
    await expect((await sideBySide()).verify(await token())).rejects.toThrow(detail);
  });

  it("ask no issuer but the token's own for keys", async () => {
    const asked: string[] = [];
    const fetch = (async (input: string) => {
      asked.push(input);
      return Promise.resolve(Response.json(await signer.jwks()));
    }) as typeof globalThis.fetch;
    const remote = (issuer: string) => verifier({ issuer, jwks: `${issuer}/jwks`, fetch });
    const identity = byIssuer(await remote(ISSUER), await remote(PARTNER));
    await identity.verify(await signer.sign(goodClaims()));
    await expect(identity.verify(await signer.sign({ ...goodClaims(), iss: "https://x" }))).rejects.toThrow();
    expect(asked).toEqual([`${ISSUER}/jwks`]);
  });

  it("are two, and have names, or are refused where they are given", async () => {
    const one = await verifier();
    expect(() => byIssuer()).toThrow(ConfigurationError);
    expect(() => byIssuer(one, one)).toThrow(/two verifiers of iss:https:\/\/idp\.example/);
    expect(() => byIssuer(one, byIssuer(one))).toThrow(ConfigurationError);
    expect(() => byIssuer(one, { verify: () => Promise.reject(new Error()) } as never)).toThrow(/jwt\(\)/);
    expect(() => byIssuer(undefined as never)).toThrow(ConfigurationError);
  });

  it("keep two users of one name apart, where the mapping says so", async () => {
    const identity = await sideBySide();
    for (const token of [
      await signer.sign(goodClaims()),
      await partner.sign({ ...goodClaims(), iss: PARTNER, scope: "clerk" }),
    ])
      await (await open(identity, token)).check(hop);
    expect(pdp.queries.map(({ principal }) => [principal.id, principal.attr.auth])).toMatchObject([
      ["clerk-1", { issuer: ISSUER }],
      ["partner:clerk-1", { issuer: PARTNER }],
    ]);
  });
});
