import { exportJWK } from "jose";
import { ConfigurationError, createGuard, HopguardError, type AssertedHop } from "hopguard";
import {
  assertions,
  assertionVerifier,
  InvalidAssertionError,
  memoryReplays,
  type AssertionVerifierOptions,
  type ExpectedHop,
  type Replays,
  type SigningOptions,
} from "hopguard/identity";
import { stubPdp } from "hopguard/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { auditRecorder } from "../support/audit-recorder";
import { seconds, TokenSigner } from "../support/token-signer";

const ISSUER = "https://agents.example";
const AUDIENCE = "https://payments.example";
const TYPE = "hopguard-assertion+jwt";
const signer = new TokenSigner();
const hop = { kind: "mcp_payments", name: "payments", action: "tools/call/refund_issue" };
const refund = { order: "O-1", amount_cents: 1250 };

let signing: SigningOptions;
let options: AssertionVerifierOptions;
beforeAll(async () => {
  signing = { key: await exportJWK(signer.keys["es-1"].privateKey), algorithm: "ES256", kid: "es-1" };
  options = { issuer: ISSUER, audience: AUDIENCE, keys: await signer.jwks() };
});

const asserted: AssertedHop = {
  subject: "u-1042",
  agent: "executor",
  chain: ["planner", "executor"],
  task: "T-1",
  session: "S-1",
  decisionId: "D-1",
  hop,
};
/** Says of the assertion what the log would. */
async function reasonOf(verifying: Promise<unknown>): Promise<string> {
  const error: unknown = await verifying.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!InvalidAssertionError.isInstance(error)) throw new Error("expected an InvalidAssertionError");
  expect(HopguardError.isInstance(error)).toBe(true);
  return error.message;
}

describe("what a guard has allowed", () => {
  async function decided(args?: object) {
    const audit = auditRecorder();
    const guard = createGuard({
      pdp: stubPdp({ rules: [() => true] }),
      audit,
      assertions: assertions({ issuer: ISSUER, ...signing }),
    });
    const session = await guard.session({
      id: "S-1",
      principal: { id: "u-1042", roles: ["clerk"] },
      agent: { id: "refund-bot" },
      task: { id: "T-1" },
    });
    const decision = await session.authorize({
      kind: hop.kind,
      action: hop.action,
      ...(args && { attr: { arguments: args } }),
    });
    return { decision, audit, session };
  }

  it("is known to the service that it is asserted to, arguments and all", async () => {
    const { decision, audit } = await decided(refund);
    const verifier = assertionVerifier(options);
    const assertion = await decision.assertion(AUDIENCE);
    const reordered = { amount_cents: 1250, order: "O-1" };
    expect(await verifier.verify(assertion, { hop, arguments: reordered })).toEqual({
      subject: "u-1042",
      agent: "refund-bot",
      chain: expect.any(Array) as unknown,
      task: "T-1",
      session: "S-1",
      decisionId: decision.decisionId,
      hop,
      argumentsDigest: audit.of(decision.decisionId)[0]?.arguments_digest,
    });
    const [, claims = ""] = assertion.split(".");
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({
      ...{ iss: ISSUER, aud: AUDIENCE, sub: "u-1042", act: { sub: "refund-bot" }, jti: decision.decisionId },
      ...{ iat: expect.any(Number) as unknown, exp: expect.any(Number) as unknown },
    });
    // Never the arguments themselves.
    expect(Buffer.from(claims, "base64url").toString()).not.toContain("O-1");
  });

  it("is asserted once, to one service", async () => {
    const { decision } = await decided(refund);
    const verifier = assertionVerifier(options);
    const assertion = await decision.assertion(AUDIENCE);
    await verifier.verify(assertion, { hop, arguments: refund });
    expect(await reasonOf(verifier.verify(assertion, { hop, arguments: refund }))).toContain("used before");
    const elsewhere = await decision.assertion("https://other.example");
    expect(await reasonOf(verifier.verify(elsewhere))).toContain("not for us");
  });

  it.each<[string, ExpectedHop]>([
    ["another amount", { arguments: { ...refund, amount_cents: 125_000 } }],
    ["an amount that is text", { arguments: { ...refund, amount_cents: "1250" } }],
    ["one argument more", { arguments: { ...refund, force: true } }],
    ["one argument less", { arguments: { order: "O-1" } }],
    ["no arguments", { arguments: undefined }],
    ["null", { arguments: null }],
    ["another tool", { hop: { ...hop, action: "tools/call/payout" } }],
    ["another kind", { hop: { ...hop, kind: "mcp_payroll" } }],
    ["another name", { hop: { ...hop, name: "payroll" } }],
    ["arguments that are no JSON", { arguments: { run: () => 1, n: 1n } }],
  ])("is no proof for %s, and is not used up by it", async (_, expected) => {
    const { decision } = await decided(refund);
    const verifier = assertionVerifier(options);
    const assertion = await decision.assertion(AUDIENCE);
    await reasonOf(verifier.verify(assertion, expected));
    expect(await verifier.verify(assertion, { hop, arguments: refund })).toMatchObject({ hop });
  });

  it("without arguments is proof for a call without any, and for no other", async () => {
    const verifier = assertionVerifier(options);
    const assertion = async () => (await decided()).decision.assertion(AUDIENCE);
    expect(await verifier.verify(await assertion(), { hop, arguments: undefined })).toMatchObject({ hop });
    expect(await verifier.verify(await assertion(), { arguments: {} })).toMatchObject({ hop });
    for (const given of [refund, null, [], "", 0]) {
      expect(await reasonOf(verifier.verify(await assertion(), { arguments: given }))).toContain("arguments");
    }
  });

  it("is not asserted without a key, and no look-up is", async () => {
    const guard = createGuard({ pdp: stubPdp({ rules: [() => true] }), audit: () => undefined });
    const principal = { id: "u-1042", roles: ["clerk"] };
    const session = await guard.session({ principal, agent: { id: "refund-bot" } });
    const decision = await session.authorize({ kind: hop.kind, action: hop.action });
    await expect(decision.assertion(AUDIENCE)).rejects.toThrow(ConfigurationError);
    const looked = await (
      await decided()
    ).session.authorize({ kind: hop.kind, action: hop.action }, { lookUp: true });
    await expect(looked.assertion(AUDIENCE)).rejects.toThrow(ConfigurationError);
  });
});

describe("nothing is proven by an assertion", () => {
  const claims = (more: object = {}) => ({
    ...{ iss: ISSUER, aud: AUDIENCE, iat: seconds(), exp: seconds(30), jti: crypto.randomUUID() },
    ...{ sub: "u-1042", act: { sub: "executor" }, chain: ["executor"], session: "S-1", hop },
    ...more,
  });
  const head = { typ: TYPE, alg: "ES256", kid: "es-1" };
  const signed = (more: object, header: object = {}) => signer.sign(claims(more), { typ: TYPE, ...header });
  const without = (claim: keyof ReturnType<typeof claims>) => {
    const { [claim]: _, ...rest } = claims();
    return signer.sign(rest, { typ: TYPE });
  };
  const bad: readonly [name: string, token: () => string | Promise<string>, reason: RegExp][] = [
    ["that is empty", () => "", /there is no assertion/],
    ["that is not there", () => null as unknown as string, /there is no assertion/],
    ["that is garbage", () => "an assertion", /no signed JWT/],
    ["that is a delegation", () => signed({}, { typ: "hopguard-delegation+jwt" }), /\(typ\)/],
    ["that is the caller's own token", () => signed({}, { typ: "at+jwt" }), /\(typ\)/],
    ["of another issuer", () => signed({ iss: "https://evil.example" }), /"iss"/],
    ["for another service", () => signed({ aud: "https://other.example" }), /not for us/],
    ["for us and another", () => signed({ aud: [AUDIENCE, "https://other.example"] }), /one audience/],
    ["for nobody", () => without("aud"), /one audience/],
    ["that has expired", () => signed({ iat: seconds(-60), exp: seconds(-30) }), /exp/],
    ["that has just expired", () => signed({ iat: seconds(-60), exp: seconds(0) }), /expired/],
    ["that never expires", () => without("exp"), /longer than 300/],
    ["that lives too long", () => signed({ exp: seconds(301) }), /longer than 300/],
    ["of the future", () => signed({ iat: seconds(60), exp: seconds(90) }), /in the future/],
    ["of no time", () => without("iat"), /iat is no time/],
    ["without an id", () => without("jti"), /jti/],
    ["with an id that is empty", () => signed({ jti: "" }), /jti/],
    ["about nobody", () => without("sub"), /sub/],
    ["of no agent", () => without("act"), /act/],
    ["of an agent without a name", () => signed({ act: {} }), /act/],
    ["of no session", () => without("session"), /session/],
    ["without a chain", () => without("chain"), /chain/],
    ["about nothing", () => without("hop"), /hop/],
    ["about more than a hop", () => signed({ hop: { ...hop, any: true } }), /any/],
    ["with a digest that is none", () => signed({ arguments_digest: 7 }), /arguments_digest/],
    ["with a claim twice", () => twice({ sub: "admin" }), /member twice/],
    ["that demands an extension", () => signer.signRaw({ ...head, crit: ["exp"] }, claims()), /\(crit\)/],
    ["that brings its key along", () => signer.signRaw({ ...head, jwk: {} }, claims()), /\(jwk\)/],
    ["of a key that nobody knows", () => signed({}, { kid: "foreign-1" }), /no applicable key/],
    ["of another key by this name", () => signer.signRaw(head, claims(), "foreign-1"), /signature/],
    ["of an algorithm that nobody asked for", () => signed({}, { kid: "es-384" }), /alg/],
    ["signed with the public key", () => signer.signWithPublicKey(claims(), "es-1"), /\(typ\)|alg/],
    ["that is oversized", () => signed({ padding: "x".repeat(20_000) }), /longer than 16384/],
  ];
  const twice = (first: object): string =>
    signer.signRaw(head, `${JSON.stringify(first).slice(0, -1)},${JSON.stringify(claims()).slice(1)}`);

  it.each(bad)("%s", async (_, token, reason) => {
    const verifier = assertionVerifier(options);
    expect(await verifier.verify(await signed({}), { hop })).toMatchObject({ hop });
    expect(await reasonOf(verifier.verify(await token(), { hop }))).toMatch(reason);
  });
});

describe("assertions that were used", () => {
  const sign = (decisionId: string, clock?: () => Date) =>
    assertions({ issuer: ISSUER, ...signing, ...(clock && { clock }) }).sign(
      { ...asserted, decisionId },
      AUDIENCE,
    );

  it("are known to every process that shares them", async () => {
    const replays = memoryReplays(() => new Date());
    const [one, other] = [
      assertionVerifier({ ...options, replays }),
      assertionVerifier({ ...options, replays }),
    ];
    const assertion = await sign("D-2");
    await one.verify(assertion);
    expect(await reasonOf(other.verify(assertion))).toContain("used before");
    // Another service takes its own.
    const third = assertionVerifier({ ...options, audience: "https://ledger.example", replays });
    const forIt = await assertions({ issuer: ISSUER, ...signing }).sign(
      { ...asserted, decisionId: "D-2" },
      "https://ledger.example",
    );
    expect(await third.verify(forIt)).toMatchObject({ decisionId: "D-2" });
  });

  it("are used once, however many ask at once", async () => {
    const verifier = assertionVerifier(options);
    const assertion = await sign("D-3");
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => verifier.verify(assertion)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("that nobody can look up prove nothing", async () => {
    const replays: Replays = { claim: () => Promise.reject(new Error("away")), release: () => undefined };
    const verifier = assertionVerifier({ ...options, replays });
    expect(await reasonOf(verifier.verify(await sign("D-4")))).toContain("away");
    const odd = { claim: () => undefined as unknown as boolean, release: () => undefined };
    await reasonOf(assertionVerifier({ ...options, replays: odd }).verify(await sign("D-4")));
  });

  it("are forgotten when they have expired", async () => {
    let now = Date.now();
    const clock = () => new Date(now);
    const replays = memoryReplays(clock);
    for (let index = 0; index < 1000; index++) await replays.claim(`${index}`, now + 1000);
    expect(await replays.claim("7", now + 1000)).toBe(false);
    await replays.release("7");
    expect(await replays.claim("7", now + 1000)).toBe(true);
    now += 1000;
    expect(await replays.claim("8", now + 1000)).toBe(true);
  });

  it("live for as long as they were given, by the clock", async () => {
    let now = Date.now();
    const clock = () => new Date(now);
    const verifier = assertionVerifier({ ...options, clock });
    const assertion = await sign("D-5", clock);
    now += 31_000;
    expect(await reasonOf(verifier.verify(assertion))).toContain("exp");
  });
});

it.each<[string, () => unknown, RegExp]>([
  ["a life that is too long", () => assertions({ issuer: ISSUER, ...signing, expiresIn: 301 }), /expiresIn/],
  ["no issuer", () => assertions({ issuer: "", ...signing }), /assertions.issuer/],
  ["a secret", () => assertions({ issuer: ISSUER, ...signing, key: "secret" }), /assertions.key/],
  ["no audience", () => assertionVerifier({ ...options, audience: "" }), /assertionVerifier.audience/],
  ["two audiences", () => assertionVerifier({ ...options, audience: [] as unknown as string }), /audience/],
  ["a misspelt option", () => assertionVerifier({ ...options, replay: true } as never), /replay/],
])("options that are wrong are found at once: %s", (_, make, message) => {
  expect(make).toThrow(ConfigurationError);
  expect(make).toThrow(message);
});

it("what is expected may not be misspelt: it would not be looked at", async () => {
  const verifier = assertionVerifier(options);
  const assertion = await assertions({ issuer: ISSUER, ...signing }).sign(asserted, AUDIENCE);
  await expect(verifier.verify(assertion, { args: refund } as never)).rejects.toThrow(ConfigurationError);
});
