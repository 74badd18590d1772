import { ConfigurationError, createGuard, type Decision, type Session } from "hopguard";
import { jwt, type JwtOptions } from "hopguard/identity";
import { stubPdp, type StubPdp } from "hopguard/testing";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";
import { auditRecorder, type AuditRecorder } from "../support/audit-recorder";
import { AUDIENCE, goodClaims, ISSUER } from "../support/bad-tokens";
import { startOpenIdProvider, type OpenIdProvider } from "../support/openid-provider";
import { TokenSigner, type Kid } from "../support/token-signer";

const DISCOVERY = "/.well-known/openid-configuration";
const hop = { kind: "mcp_desk", action: "tools/list" };
const signer = new TokenSigner();

/** A clock that a test can move on. */
function movableClock() {
  let ahead = 0;
  return Object.assign(() => new Date(Date.now() + ahead), { advance: (ms: number) => (ahead += ms) });
}

let pdp: StubPdp;
let audit: AuditRecorder;
beforeEach(() => {
  pdp = stubPdp({ rules: [() => true] });
  audit = auditRecorder();
});

/** A session whose tokens come one after the other; the last one stays. */
async function sessionOf(options: JwtOptions, ...tokens: readonly string[]): Promise<Session> {
  let next = 0;
  const guard = createGuard({ pdp, audit, identity: jwt(options), timeoutMs: 10_000, repeats: false });
  return guard.session({
    token: () => tokens[Math.min(next++, tokens.length - 1)] ?? "",
    agent: { id: "bot" },
  });
}

/** "allow", or what the record says of a denial for want of a proof. */
function outcomeOf(decision: Decision): string | undefined {
  if (decision.effect === "allow") return "allow";
  expect(decision.denial.code).toBe("unauthenticated");
  return audit.of(decision.decisionId)[0]?.detail;
}
const check = async (session: Session) => outcomeOf(await session.check(hop));

describe("an OpenID provider", () => {
  let openid: OpenIdProvider;
  beforeEach(async () => {
    openid = await startOpenIdProvider({
      "u-1": { roles: ["engineer"], department: "support" },
      desk: { roles: ["service-desk"] },
    });
  });
  afterEach(() => openid.stop());

  const options = (more: Partial<JwtOptions> = {}): JwtOptions => ({
    issuer: openid.issuer,
    audience: AUDIENCE,
    claims: { attr: { department: "department" } },
    ...more,
  });

  it("is found by its issuer, and proves who its user is", async () => {
    const session = await sessionOf(options(), await openid.jwt("u-1", { audience: AUDIENCE }));
    expect(await check(session)).toBe("allow");
    expect(pdp.queries[0]?.principal).toMatchObject({
      id: "u-1",
      roles: ["engineer"],
      attr: {
        type: "user",
        department: "support",
        auth: { method: "jwt", issuer: openid.issuer, verified: true },
      },
    });
    expect(openid.requests).toEqual([DISCOVERY, "/jwks"]);
  });

  it("proves who a client is that got its token at the token endpoint", async () => {
    const token = await openid.clientCredentials(AUDIENCE);
    const session = await sessionOf(options({ claims: { type: "service" } }), token);
    expect(await check(session)).toBe("allow");
    expect(pdp.queries[0]?.principal).toMatchObject({
      id: "desk",
      roles: ["service-desk"],
      attr: { type: "service" },
    });
  });

  it("is not asked again while its keys are young, whatever the number of hops and tokens", async () => {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, () => openid.jwt("u-1", { audience: AUDIENCE })),
    );
    const session = await sessionOf(options(), ...tokens);
    for (let hops = 0; hops < 25; hops++) expect(await check(session)).toBe("allow");
    expect(openid.requests).toEqual([DISCOVERY, "/jwks"]);
  });

  it("is asked once by hops that need its keys at the same time", async () => {
    const identity = jwt(options());
    const tokens = Array.from({ length: 20 }, () => openid.jwt("u-1", { audience: AUDIENCE }));
    await Promise.all((await Promise.all(tokens)).map((token) => identity.verify(token)));
    expect(openid.requests).toEqual([DISCOVERY, "/jwks"]);
  });

  it("may rotate its keys: a new one is found, and tokens of the old one prove nothing", async () => {
    const clock = movableClock();
    const old = await openid.jwt("u-1", { audience: AUDIENCE });
    let token = old;
    const guard = createGuard({ pdp, audit, identity: jwt(options({ clock })), timeoutMs: 10_000 });
    const session = await guard.session({ token: () => token, agent: { id: "bot" } });
    openid.rotateKeys();
    token = await openid.jwt("u-1", { audience: AUDIENCE });
    clock.advance(30_000);
    expect(await check(session)).toBe("allow");
    token = old;
    expect(await check(session)).toMatch(/no applicable key/);
  });

  it("takes a key back: a token that was proven by it a moment ago is proven no more", async () => {
    const clock = movableClock();
    const session = await sessionOf(options({ clock }), await openid.jwt("u-1", { audience: AUDIENCE }));
    expect(await check(session)).toBe("allow");
    openid.rotateKeys();
    // Half of their life: time to look whether keys are still the same, while the hop goes on with what is known.
    clock.advance(300_000);
    expect(await check(session)).toBe("allow");
    await expect.poll(() => check(session)).toMatch(/no applicable key/);
  });

  it("cannot be driven to answer for each invented key", async () => {
    const good = await openid.jwt("u-1", { audience: AUDIENCE });
    const forged = Array.from({ length: 50 }, (_, index) =>
      signer.signRaw({ alg: "ES256", kid: `k-${index}` }, { ...goodClaims(), iss: openid.issuer }),
    );
    const clock = movableClock();
    const identity = jwt(options({ clock }));
    await identity.verify(good);
    const attack = () => Promise.allSettled(forged.map((token) => identity.verify(token)));
    await attack();
    expect(openid.requests).toHaveLength(2);
    clock.advance(30_000);
    const outcomes = await attack();
    expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
    expect(openid.requests).toHaveLength(4);
    await identity.verify(good);
  });

  it("may be down as long as its keys live, and not a moment longer", async () => {
    const clock = movableClock();
    const session = await sessionOf(options({ clock }), await openid.jwt("u-1", { audience: AUDIENCE }));
    openid.isDown = true;
    for (const minutes of [4, 3, 2.9]) {
      clock.advance(minutes * 60_000);
      expect(await check(session)).toBe("allow");
    }
    clock.advance(6000);
    expect(await check(session)).toMatch(/keys of .* cannot be had: .*answered 503/);
    const asked = openid.requests.length;
    expect(await check(session)).toMatch(/cannot be had/);
    expect(openid.requests).toHaveLength(asked);
    openid.isDown = false;
    clock.advance(1000);
    expect(await check(session)).toBe("allow");
  });

  it("that is down from the start lets nobody in, and works once it is up", async () => {
    const clock = movableClock();
    const token = await openid.jwt("u-1", { audience: AUDIENCE });
    const guard = createGuard({ pdp, audit, identity: jwt(options({ clock })), timeoutMs: 10_000 });
    openid.isDown = true;
    await expect(guard.session({ token, agent: { id: "bot" } })).rejects.toMatchObject({
      denial: { code: "unauthenticated" },
    });
    openid.isDown = false;
    clock.advance(1000);
    expect(await check(await guard.session({ token, agent: { id: "bot" } }))).toBe("allow");
  });

  it("is not quoted with what its address holds in the query, which may be the key to an API", async () => {
    const jwks = `${openid.issuer}/jwks?key=correct-horse`;
    openid.isDown = true;
    const token = await openid.jwt("u-1", { audience: AUDIENCE });
    const guard = createGuard({ pdp, audit, identity: jwt(options({ jwks })) });
    await expect(guard.session({ token, agent: { id: "bot" } })).rejects.toMatchObject({
      denial: { code: "unauthenticated" },
    });
    expect(audit.records[0]?.detail).toContain(`the keys of ${openid.issuer}/jwks cannot be had`);
    expect(JSON.stringify(audit.records)).not.toContain("correct-horse");
  });

  it("by another name is another issuer", async () => {
    const issuer = openid.issuer.replace("127.0.0.1", "localhost");
    const token = await signer.sign({ ...goodClaims(), iss: issuer });
    await expect(jwt(options({ issuer })).verify(token)).rejects.toThrow(/another issuer/);
    expect(openid.requests).toEqual([DISCOVERY]);
  });
});

describe("keys at an address", () => {
  /** Serves one document, or whatever a test wants. */
  async function publish(answer: (request: Request) => Response | Promise<Response>) {
    const asked: string[] = [];
    const server = await serve((request) => {
      asked.push(new URL(request.url).pathname);
      return Promise.resolve(answer(request));
    });
    onTestFinished(() => server.stop());
    return { url: server.url, asked };
  }
  const at = (url: string, more: Partial<JwtOptions> = {}) =>
    jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: url, ...more });

  it.each<[string, Kid]>([
    ["RS256", "rsa-1"],
    ["PS256", "rsa-1"],
    ["ES256", "es-1"],
    ["EdDSA", "ed-1"],
  ])("prove tokens that are signed with %s", async (alg, kid) => {
    const { alg: _, ...key } = await signer.jwk(kid);
    const { url } = await publish(() => Response.json({ keys: [key] }));
    const token = await signer.sign(goodClaims(), { kid, alg });
    expect(await at(url).verify(token)).toMatchObject({ principal: { id: "clerk-1" } });
  });

  it("prove a token that names none of them, if only one can be meant", async () => {
    const token = signer.signRaw({ alg: "ES256" }, goodClaims());
    const one = await publish(async () => Response.json(await signer.jwks(["es-1", "rsa-1"])));
    expect(await at(one.url).verify(token)).toMatchObject({ principal: { id: "clerk-1" } });
    const two = await publish(async () => Response.json(await signer.jwks(["es-1", "foreign-1"])));
    await expect(at(two.url).verify(token)).rejects.toThrow(/multiple matching keys/);
  });

  it("may be changed for others, although tokens name none of them", async () => {
    const clock = movableClock();
    let kid: Kid = "es-1";
    const { url, asked } = await publish(async () => Response.json(await signer.jwks([kid])));
    const identity = at(url, { clock });
    const named = (by: Kid): string => signer.signRaw({ alg: "ES256" }, goodClaims(), by);
    await identity.verify(named("es-1"));
    kid = "foreign-1";
    // Whoever sends tokens with invented signatures causes one load per cool-down, too.
    await expect(identity.verify(named("foreign-1"))).rejects.toThrow(/signature/);
    expect(asked).toHaveLength(1);
    clock.advance(30_000);
    expect(await identity.verify(named("foreign-1"))).toMatchObject({ principal: { id: "clerk-1" } });
    await expect(identity.verify(named("es-1"))).rejects.toThrow(/signature/);
    await expect(
      identity.verify(signer.signRaw({ alg: "ES256", kid: "foreign-1" }, goodClaims(), "es-1")),
    ).rejects.toThrow(/signature/);
    expect(asked).toHaveLength(2);
  });

  it.each<[string, () => Response | Promise<Response>, RegExp]>([
    ["lead elsewhere", () => Response.redirect("http://127.0.0.1:9/"), /answered 302/],
    ["are no JSON", () => new Response("<html>"), /not JSON/],
    ["are no keys", () => Response.json({ keys: "es-1" }), /keys/],
    ["are there twice", () => new Response('{"keys":[],"keys":[]}'), /twice/],
    ["are endless", () => new Response(" ".repeat(1_100_000)), /longer than 1048576/],
    [
      "are in an answer with another status",
      () => Response.json({ keys: [] }, { status: 203 }),
      /answered 203/,
    ],
    ["never come", () => new Promise(() => undefined), /longer than 300 ms/],
  ])("that %s prove nothing", async (_, answer, detail) => {
    const { url, asked } = await publish(answer);
    const token = await signer.sign(goodClaims());
    await expect(at(url, { timeoutMs: 300 }).verify(token)).rejects.toThrow(detail);
    expect(asked).toHaveLength(1);
  });

  it("that turn bad leave the old ones in their place for as long as those live", async () => {
    const clock = movableClock();
    let document: unknown = await signer.jwks();
    const { url, asked } = await publish(() => Response.json(document));
    const identity = at(url, { clock, keysMaxAgeMs: 60_000 });
    const token = await signer.sign(goodClaims());
    await identity.verify(token);
    document = { keys: [{ kty: 7 }] };
    clock.advance(59_000);
    await identity.verify(token);
    await expect.poll(() => asked).toHaveLength(2);
    clock.advance(1000);
    await expect(identity.verify(token)).rejects.toThrow(/cannot be had/);
  });

  it("prove tokens although what is published with them is no key, and not if nothing else is", async () => {
    const { keys } = await signer.jwks();
    const odd = [{}, null, 7, "es-1", [], { kty: 7, kid: "es-1" }, { kty: "EC", kid: "broken" }];
    const some = await publish(() => Response.json({ keys: [...odd, ...keys] }));
    const token = await signer.sign(goodClaims());
    expect(await at(some.url).verify(token)).toMatchObject({ principal: { id: "clerk-1" } });
    const none = await publish(() => Response.json({ keys: odd.slice(0, 3) }));
    await expect(at(none.url).verify(token)).rejects.toThrow(/cannot be had/);
  });

  it("that are still the same leave what they have proven as it is", async () => {
    const clock = movableClock();
    const { url, asked } = await publish(async () => Response.json(await signer.jwks()));
    const identity = at(url, { clock, keysMaxAgeMs: 20_000, cooldownMs: 0 });
    const token = await signer.sign(goodClaims());
    const first = await identity.verify(token);
    clock.advance(11_000);
    await identity.verify(token);
    await expect.poll(() => asked).toHaveLength(2);
    clock.advance(11_000);
    expect(await identity.verify(token)).toBe(first);
  });

  it("are not asked for by tokens that are refused anyway", async () => {
    const { url, asked } = await publish(async () => Response.json(await signer.jwks()));
    const identity = at(url);
    for (const token of [
      await signer.sign({ ...goodClaims(), iss: "https://evil.example" }),
      await signer.sign(goodClaims(), { typ: "logout+jwt" }),
      await signer.sign(goodClaims(), { jku: "https://evil.example/jwks" }),
      "a-token",
      "x".repeat(20_000),
    ])
      await expect(identity.verify(token)).rejects.toThrow(/token/);
    expect(asked).toEqual([]);
  });

  it.each<[string, (url: string) => object, RegExp]>([
    ["in the open", () => ({ jwks_uri: "http://keys.example/jwks" }), /jwks_uri/],
    ["nowhere", () => ({}), /jwks_uri/],
    ["in a file", () => ({ jwks_uri: "file:///etc/keys" }), /jwks_uri/],
    ["at another issuer's", (url) => ({ issuer: `${url}/`, jwks_uri: `${url}/jwks` }), /another issuer/],
  ])("are not taken from a discovery document that says they are %s", async (_, document, detail) => {
    const { url, asked } = await publish((request) =>
      Response.json({ issuer: new URL(request.url).origin, ...document(new URL(request.url).origin) }),
    );
    const identity = jwt({ issuer: url, audience: AUDIENCE });
    const token = await signer.sign({ ...goodClaims(), iss: url });
    await expect(identity.verify(token)).rejects.toThrow(detail);
    expect(asked).toEqual([DISCOVERY]);
  });

  it("are not taken from this machine because an issuer out there says so", async () => {
    const { url, asked } = await publish(async () => Response.json(await signer.jwks()));
    const documents: typeof fetch = (input, init) =>
      new Request(input).url.startsWith(ISSUER)
        ? Promise.resolve(Response.json({ issuer: ISSUER, jwks_uri: `${url}/jwks` }))
        : fetch(input, init);
    const identity = jwt({ issuer: ISSUER, audience: AUDIENCE, fetch: documents });
    await expect(identity.verify(await signer.sign(goodClaims()))).rejects.toThrow(/loopback/);
    expect(asked).toEqual([]);
  });
});

describe("options of jwt", () => {
  it("take no password in an address, which the error of a request would show", () => {
    const jwks = "https://ada:correct-horse@idp.example/jwks";
    expect(() => jwt({ issuer: ISSUER, audience: AUDIENCE, jwks })).toThrow(/without credentials$/);
  });

  const identity = async (options: Partial<JwtOptions>) =>
    jwt({ issuer: ISSUER, audience: AUDIENCE, jwks: await signer.jwks(), ...options });
  const subjectOf = async (options: Partial<JwtOptions>, claims: object, header = {}) =>
    (await (await identity(options)).verify(await signer.sign({ ...goodClaims(), ...claims }, header)))
      .principal.id;

  it("admit several audiences, one of several of our names, and tokens bound to a key", async () => {
    const several = { aud: [AUDIENCE, "https://other.example"] };
    expect(await subjectOf({ severalAudiences: true }, several)).toBe("clerk-1");
    await expect(subjectOf({ severalAudiences: true }, { aud: ["https://a", "https://b"] })).rejects.toThrow(
      /aud/,
    );
    expect(await subjectOf({ audience: ["https://a", "https://b"] }, { aud: "https://b" })).toBe("clerk-1");
    expect(await subjectOf({ boundTokens: true }, { cnf: { jkt: "x" } })).toBe("clerk-1");
  });

  it("demand a type, which then may not be missing", async () => {
    expect(await subjectOf({ typ: "at+jwt" }, {}, { typ: "application/AT+JWT" })).toBe("clerk-1");
    await expect(subjectOf({ typ: "at+jwt" }, {}, { typ: "JWT" })).rejects.toThrow(/typ/);
    await expect(subjectOf({ typ: "at+jwt" }, {})).rejects.toThrow(/typ/);
    expect(await subjectOf({ typ: ["JWT", "id+jwt"] }, {}, { typ: "id+jwt" })).toBe("clerk-1");
  });

  it("limit the age of a token, and its authority with it", async () => {
    const iat = Math.floor(Date.now() / 1000) - 50;
    const verifier = await identity({ maxAgeMs: 60_000 });
    const { expiresAt, issuedAt } = await verifier.verify(await signer.sign({ ...goodClaims(), iat }));
    expect([issuedAt, expiresAt]).toEqual([iat * 1000, iat * 1000 + 60_000]);
    await expect(subjectOf({ maxAgeMs: 49_000 }, { iat })).rejects.toThrow(/expired/);
    const { iat: _, ...undated } = goodClaims();
    await expect(verifier.verify(await signer.sign(undated))).rejects.toThrow(/iat/);
  });

  it("bear with clocks that differ, and not with a token that has expired", async () => {
    const now = new Date("2026-06-01T12:00:00Z");
    const at = now.getTime() / 1000;
    const times = { clock: () => now, clockToleranceMs: 10_000 };
    expect(await subjectOf(times, { iat: at + 9, nbf: at + 9, exp: at + 60 })).toBe("clerk-1");
    await expect(subjectOf(times, { iat: at + 11, exp: at + 60 })).rejects.toThrow(/future/);
    await expect(subjectOf(times, { iat: at, nbf: at + 11, exp: at + 60 })).rejects.toThrow(/nbf/);
    await expect(subjectOf(times, { iat: at - 60, exp: at })).rejects.toThrow(/expired/);
  });

  it("that are left out: a token need not say when it was issued", async () => {
    const { iat: _, ...undated } = goodClaims();
    const proven = await (await identity({})).verify(await signer.sign(undated));
    expect(proven.issuedAt).toBeUndefined();
  });

  it.each<[string, object, RegExp]>([
    ["no issuer", { issuer: "" }, /jwt\.issuer/],
    ["no audience", { audience: [] }, /jwt\.audience/],
    ["an audience that is missing", { audience: undefined }, /jwt\.audience/],
    ["keys over an open line", { jwks: "http://idp.example/jwks" }, /jwt\.jwks.*https/s],
    ["keys in a file", { jwks: new URL("file:///etc/keys") }, /jwt\.jwks/],
    ["keys that are a list", { jwks: [] }, /jwt\.jwks/],
    ["an issuer that cannot be asked", { issuer: "acme", jwks: undefined }, /jwt\.issuer.*https/],
    ["an issuer over an open line", { issuer: "http://idp.example", jwks: undefined }, /jwt\.issuer.*https/],
    ["no algorithm", { algorithms: [] }, /jwt\.algorithms/],
    ["a shared secret", { algorithms: ["HS256"] }, /jwt\.algorithms/],
    ["no signature", { algorithms: ["none"] }, /jwt\.algorithms/],
    ["a misspelt option", { audiences: AUDIENCE }, /audiences/],
    ["a name of the guard's own", { claims: { attr: { agent: "azp" } } }, /jwt\.claims\.attr\.agent/],
    ["a path without a way", { claims: { roles: [] } }, /jwt\.claims\.roles/],
    ["text for a duration", { maxAgeMs: "1h" }, /jwt\.maxAgeMs/],
  ])("are refused where they are given: %s", async (_, options, message) => {
    const jwks = await signer.jwks();
    const make = () => jwt({ issuer: ISSUER, audience: AUDIENCE, jwks, ...options });
    expect(make).toThrow(ConfigurationError);
    expect(make).toThrow(message);
  });
});
