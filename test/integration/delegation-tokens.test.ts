import { generateKeyPairSync, webcrypto } from "node:crypto";
import { exportJWK, exportPKCS8, SignJWT } from "jose";
import { ConfigurationError, type JsonObject } from "hopguard";
import { delegationTokens, type DelegationTokensOptions, type SigningOptions } from "hopguard/identity";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";
import { seconds, TokenSigner } from "../support/token-signer";

const ISSUER = "https://agents.example";
const TYPE = "hopguard-delegation+jwt";
const signer = new TokenSigner();
const delegation: JsonObject = {
  session: "S-1",
  links: [{ id: "D-1", agent: { id: "executor" }, grant: [{ type: "mcp_till", actions: ["tools/list"] }] }],
};
const claims = (more: object = {}) => ({
  iss: ISSUER,
  aud: "executor",
  iat: seconds(),
  exp: seconds(600),
  jti: "J-1",
  delegation,
  ...more,
});
const es256 = { typ: TYPE, alg: "ES256", kid: "es-1" };

let sign: SigningOptions;
let options: DelegationTokensOptions;
beforeAll(async () => {
  sign = { key: await exportJWK(signer.keys["es-1"].privateKey), algorithm: "ES256", kid: "es-1" };
  options = { issuer: ISSUER, sign, keys: await signer.jwks() };
});

describe("a delegation that was signed", () => {
  it("is proven by another process, which has no key to sign with", async () => {
    const { sign: _, ...verifyOnly } = options;
    const expiresAt = Date.now() + 60_000;
    const token = await delegationTokens(options).sign(delegation, { audience: "executor", expiresAt });
    expect(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString())).toEqual(es256);
    const verifier = delegationTokens(verifyOnly);
    expect(await verifier.verify(token)).toEqual({
      delegation,
      audience: "executor",
      expiresAt: Math.floor(expiresAt / 1000) * 1000,
    });
    await expect(verifier.sign(delegation, { audience: "executor", expiresAt })).rejects.toThrow(
      ConfigurationError,
    );
  });

  it.each(["RS256", "PS256", "EdDSA", "Ed25519"] as const)("may be signed with %s", async (algorithm) => {
    const kid = algorithm.startsWith("Ed") ? "ed-1" : "rsa-1";
    const { privateKey, publicKey } = signer.keys[kid];
    const tokens = delegationTokens({
      issuer: ISSUER,
      sign: { key: await exportPKCS8(privateKey), algorithm },
      keys: { keys: [await exportJWK(publicKey)] },
    });
    const token = await tokens.sign(delegation, { audience: "executor", expiresAt: Date.now() + 60_000 });
    expect(await tokens.verify(token)).toMatchObject({ delegation });
  });

  it("may be signed with a CryptoKey that nobody can read", async () => {
    const algorithm = { name: "ECDSA", namedCurve: "P-256" };
    const pair = await webcrypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
    const tokens = delegationTokens({
      issuer: ISSUER,
      sign: { key: pair.privateKey, algorithm: "ES256" },
      keys: { keys: [await exportJWK(pair.publicKey)] },
    });
    const token = await tokens.sign(delegation, { audience: "executor", expiresAt: Date.now() + 60_000 });
    expect(await tokens.verify(token)).toMatchObject({ audience: "executor" });
  });

  it("is proven by keys that are published", async () => {
    const server = await serve(async () => Response.json(await signer.jwks()));
    onTestFinished(() => server.stop());
    const tokens = delegationTokens({ ...options, keys: `${server.url}/jwks` });
    const token = await tokens.sign(delegation, { audience: "executor", expiresAt: Date.now() + 60_000 });
    expect(await tokens.verify(token)).toMatchObject({ delegation });
    await server.stop();
    expect(await tokens.verify(token)).toMatchObject({ delegation });
    const unreachable = delegationTokens({ ...options, keys: `${server.url}/jwks` });
    await expect(unreachable.verify(token)).rejects.toThrow("cannot be had");
  });

  it("is over with its last second, by the clock that is given", async () => {
    let now = Date.now();
    const tokens = delegationTokens({ ...options, clock: () => new Date(now) });
    const expiresAt = now + 30_000;
    const token = await tokens.sign(delegation, { audience: "executor", expiresAt });
    now = Math.floor(expiresAt / 1000) * 1000 - 1;
    expect(await tokens.verify(token)).toBeDefined();
    now += 1;
    await expect(tokens.verify(token)).rejects.toThrow("expired");
    const over = tokens.sign(delegation, { audience: "executor", expiresAt: now });
    await expect(over).rejects.toThrow("expired");
  });

  it("is not signed if nobody would take it for its length", async () => {
    const tokens = delegationTokens(options);
    const long = (length: number) =>
      tokens.sign({ text: "x".repeat(length) }, { audience: "executor", expiresAt: Date.now() + 60_000 });
    expect(await tokens.verify(await long(40_000))).toBeDefined();
    await expect(long(60_000)).rejects.toThrow("longer than 65536");
  });
});

describe("no delegation is proven by a token", () => {
  const raw = (header: string | object, payload: string | object | Buffer) => signer.signRaw(header, payload);
  const signed = (more: object, header: object = {}) => signer.sign(claims(more), { typ: TYPE, ...header });
  const without = (claim: keyof ReturnType<typeof claims>) => {
    const { [claim]: _, ...rest } = claims();
    return signer.sign(rest, { typ: TYPE });
  };
  const parts = async () => (await signed({})).split(".") as [string, string, string];
  const text = JSON.stringify(claims());

  const bad: readonly [name: string, token: () => string | Promise<string>, reason: RegExp][] = [
    ["that is empty", () => "", /no token/],
    ["that is garbage", () => "a.b.c", /cannot be read/],
    ["of another type", () => signer.sign(claims(), { typ: "JWT" }), /\(typ\)/],
    ["of no type", () => signer.sign(claims()), /\(typ\)/],
    ["that is an assertion", () => signer.sign(claims(), { typ: "hopguard-assertion+jwt" }), /\(typ\)/],
    ["of another issuer", () => signed({ iss: "https://evil.example" }), /"iss"/],
    ["of no issuer", () => without("iss"), /"iss"/],
    ["for two agents", () => signed({ aud: ["executor", "other"] }), /exactly one audience/],
    ["for an agent twice", () => signed({ aud: ["executor", "executor"] }), /exactly one audience/],
    ["for nobody", () => without("aud"), /exactly one audience/],
    ["for an agent without a name", () => signed({ aud: "" }), /exactly one audience/],
    ["for a number", () => raw(es256, claims({ aud: 7 })), /exactly one audience/],
    ["that never expires", () => without("exp"), /no exp/],
    ["that has expired", () => signed({ exp: seconds(0) }), /expired/],
    ["that expires within the tolerance for clocks", () => signed({ exp: seconds(-2) }), /exp/],
    ["that is not valid yet", () => signed({ nbf: seconds(60) }), /nbf/],
    ["of the future", () => signed({ iat: seconds(60) }), /in the future/],
    ["of no time", () => without("iat"), /iat is no time/],
    ["that expires at a word", () => raw(es256, claims({ exp: "soon" })), /exp/],
    ["that expires after the end of time", () => signed({ exp: 1e300 }), /exp/],
    ["without a delegation", () => without("delegation"), /no delegation/],
    ["whose delegation is a list", () => signed({ delegation: [delegation] }), /no delegation/],
    ["whose delegation is text", () => signed({ delegation: JSON.stringify(delegation) }), /no delegation/],
    ["with a claim twice", () => raw(es256, `{"aud":"other",${text.slice(1)}`), /member twice/],
    ["with a link's id twice", () => raw(es256, text.replace('"id"', '"id":"D-0","id"')), /member twice/],
    [
      "with a header twice",
      () => raw(`{"alg":"none",${JSON.stringify(es256).slice(1)}`, text),
      /member twice/,
    ],
    ["with a claim in two cases", () => raw(es256, `{"AUD":"other",${text.slice(1)}`), /only in case/],
    ["that demands an extension", () => raw({ ...es256, crit: ["exp"] }, text), /\(crit\)/],
    ["that demands nothing, aloud", () => raw({ ...es256, crit: [] }, text), /\(crit\)/],
    [
      "that brings its key along",
      async () => raw({ ...es256, jwk: await signer.jwk("es-1") }, text),
      /\(jwk\)/,
    ],
    ["that says where its key is", () => raw({ ...es256, jku: "https://evil.example" }, text), /\(jku\)/],
    ["that brings a certificate along", () => raw({ ...es256, x5c: ["MII"] }, text), /\(x5c\)/],
    ["of another algorithm", () => signed({}, { kid: "rsa-1" }), /alg/],
    ["of a key that nobody knows", () => signed({}, { kid: "foreign-1" }), /no applicable key/],
    ["of another key by this name", () => signer.signRaw(es256, text, "foreign-1"), /signature/],
    ["signed with the public key", () => signer.signWithPublicKey(claims(), "es-1"), /\(typ\)|alg/],
    [
      "that is unsigned",
      async () => `${b64({ alg: "none", typ: TYPE })}.${(await parts())[1]}.`,
      /no signed JWT/,
    ],
    ["whose claims were swapped", async () => swapped(await parts(), 1), /signature/],
    ["whose header was swapped", async () => swapped(await parts(), 0), /signature/],
    ["that is encrypted", () => signer.encrypt(claims()), /no signed JWT/],
    ["that is too long", () => signed({ padding: "x".repeat(60_000) }), /longer than/],
  ];
  it.each(bad)("%s", async (_, token, reason) => {
    const tokens = delegationTokens(options);
    expect(await tokens.verify(await signed({}))).toMatchObject({ delegation });
    await expect(tokens.verify(await token())).rejects.toThrow(reason);
  });

  it("signed with a secret, whatever the algorithms are", async () => {
    const secret = new TextEncoder().encode("a secret that is long enough for HS256");
    const token = await new SignJWT(claims()).setProtectedHeader({ alg: "HS256", typ: TYPE }).sign(secret);
    const jwk = { kty: "oct", k: Buffer.from(secret).toString("base64url") };
    const tokens = delegationTokens({ issuer: ISSUER, keys: { keys: [jwk] } });
    await expect(tokens.verify(token)).rejects.toThrow(/alg/);
    const hs256 = { ...options, algorithms: ["HS256"] } as unknown as DelegationTokensOptions;
    expect(() => delegationTokens(hs256)).toThrow("delegationTokens.algorithms");
  });
});

describe("options that are wrong are found at once", () => {
  const wrong: readonly [name: string, change: () => object | Promise<object>, message: RegExp][] = [
    ["no issuer", () => ({ issuer: "" }), /delegationTokens.issuer/],
    ["no keys", () => ({ keys: undefined }), /delegationTokens.keys/],
    [
      "keys over plain HTTP",
      () => ({ keys: "http://agents.example/jwks" }),
      /delegationTokens.keys: .*https/,
    ],
    ["no algorithms", () => ({ algorithms: [] }), /delegationTokens.algorithms/],
    [
      "a public key to sign with",
      async () => ({ sign: { ...sign, key: await signer.jwk("es-1") } }),
      /sign.key/,
    ],
    [
      "a secret to sign with",
      () => ({ sign: { ...sign, key: { kty: "oct", k: "AAAA", d: "x" } } }),
      /sign.key/,
    ],
    ["a secret as text", () => ({ sign: { ...sign, key: "a secret" } }), /sign.key/],
    ["an unknown option", () => ({ audience: "executor" }), /audience/],
  ];
  it.each(wrong)("%s", async (_, change, message) => {
    const given = { ...options, ...(await change()) };
    expect(() => delegationTokens(given)).toThrow(ConfigurationError);
    expect(() => delegationTokens(given)).toThrow(message);
  });

  it("and a key that does not fit its algorithm by the first token", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const tokens = delegationTokens({ ...options, sign: { ...sign, key: await exportJWK(privateKey) } });
    const signing = tokens.sign(delegation, { audience: "executor", expiresAt: Date.now() + 60_000 });
    await expect(signing).rejects.toThrow(/delegationTokens.sign.key: cannot sign with ES256/);
  });
});

const b64 = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");

function swapped(parts: [string, string, string], index: 0 | 1): string {
  const others = [b64({ ...es256, x: 1 }), b64(claims({ aud: "other" }))] as const;
  return parts.with(index, others[index]).join(".");
}
