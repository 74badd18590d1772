import { seconds, type TokenSigner } from "./token-signer";

/** A token that proves nothing, and what the audit record says of it. */
export interface BadToken {
  readonly name: string;
  readonly token: string;
  readonly detail: RegExp;
}

export const ISSUER = "https://idp.example";
export const AUDIENCE = "https://desk.example";

/** What a good token says: the user is a clerk. */
export const goodClaims = (sub = "clerk-1") => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub,
  roles: ["clerk"],
  iat: seconds(),
  exp: seconds(600),
});

const LOGOUT = { "http://schemas.openid.net/event/backchannel-logout": {} };

/** Ways in which a token can be bad. Those that are signed are signed by the right key. */
export async function badTokens(signer: TokenSigner): Promise<readonly BadToken[]> {
  const good = goodClaims();
  const es256 = { alg: "ES256", kid: "es-1" };
  const goodText = JSON.stringify(good);
  const [header = "", payload = "", signature = ""] = (await signer.sign(good)).split(".");
  const [, otherPayload = ""] = (await signer.sign({ ...good, sub: "keeper-1" })).split(".");
  const without = (claim: keyof typeof good) => {
    const { [claim]: _, ...rest } = good;
    return rest;
  };
  const foreign = await signer.jwk("foreign-1");
  const raw = (claims: string | object | Buffer, head: string | object = es256) =>
    signer.signRaw(head, claims);

  const claims = (name: string, changed: object, detail: RegExp) =>
    made(name, signer.sign({ ...good, ...changed }), detail);
  const signed = (name: string, changed: Parameters<TokenSigner["sign"]>[1], detail: RegExp) =>
    made(name, signer.sign(good, changed), detail);
  const made = async (name: string, token: string | Promise<string>, detail: RegExp): Promise<BadToken> => ({
    name,
    token: await token,
    detail,
  });

  return Promise.all([
    claims("that has expired", { exp: seconds(-1) }, /exp/),
    made("that never expires", signer.sign(without("exp")), /missing required "exp"/),
    made("with exp as text", raw({ ...good, exp: String(seconds(600)) }), /"exp" claim must be a number/),
    made("with exp null", raw({ ...good, exp: null }), /"exp" claim must be a number/),
    claims("that expires after the end of time", { exp: 1e300 }, /exp is no time/),
    claims("that is not valid yet", { nbf: seconds(3600), exp: seconds(7200) }, /"nbf"/),
    claims("issued in the future", { iat: seconds(3600), exp: seconds(7200) }, /issued in the future/),
    made("with iat as text", raw({ ...good, iat: "now" }), /"iat" claim must be a number/),
    claims("for another audience", { aud: "https://other.example" }, /"aud"/),
    claims("for our audience with a slash", { aud: `${AUDIENCE}/` }, /"aud"/),
    made("for no audience", signer.sign(without("aud")), /missing required "aud"/),
    claims("for an empty list of audiences", { aud: [] }, /"aud"/),
    claims("for two audiences", { aud: [AUDIENCE, "https://other.example"] }, /several audiences/),
    claims("for us twice", { aud: [AUDIENCE, AUDIENCE] }, /several audiences/),
    claims("of another issuer", { iss: "https://evil.example" }, /another issuer/),
    claims("of our issuer with a slash", { iss: `${ISSUER}/` }, /another issuer/),
    made("of two issuers", raw({ ...good, iss: [ISSUER, "https://evil.example"] }), /another issuer/),
    made("of no issuer", signer.sign(without("iss")), /another issuer/),
    made("that is unsigned", `${b64({ alg: "none" })}.${payload}.`, /no signed JWT/),
    made("that is unsigned, with a signature", `${b64({ alg: "none" })}.${payload}.${signature}`, /alg/i),
    made("that is unsigned, in other words", `${b64({ alg: "nOnE" })}.${payload}.${signature}`, /alg/i),
    made("signed with the public RSA key as a secret", signer.signWithPublicKey(good, "rsa-1"), /alg/i),
    made("signed with the public EC key as a secret", signer.signWithPublicKey(good, "es-1"), /alg/i),
    signed("signed with an algorithm that nobody asked for", { kid: "es-384" }, /alg/i),
    made(
      "that says another algorithm than its key",
      raw(good, { ...es256, alg: "RS256" }),
      /no applicable key/,
    ),
    signed("signed with a key for encryption", { kid: "enc-1" }, /no applicable key/),
    signed("signed with a key that is not for verifying", { kid: "ops-1" }, /no applicable key/),
    signed("signed with a key that is not published", { kid: "foreign-1" }, /no applicable key/),
    made("that names another key", raw(good, { ...es256, kid: "rsa-1" }), /no applicable key/),
    made("that names a key of another issuer", signer.signRaw(es256, good, "foreign-1"), /signature/),
    made("that names a file as its key", raw(good, { ...es256, kid: "../../dev/null" }), /no applicable key/),
    made(
      "that brings its key along",
      signer.signRaw({ ...es256, kid: "foreign-1", jwk: foreign }, good, "foreign-1"),
      /\(jwk\)/,
    ),
    signed("that says where its key is", { jku: "https://evil.example/jwks" }, /\(jku\)/),
    signed("that says where its certificate is", { x5u: "https://evil.example/cert" }, /\(x5u\)/),
    signed("that brings its certificate along", { x5c: ["MIIB"] }, /\(x5c\)/),
    made("that demands an extension", raw(good, { ...es256, crit: ["exp"] }), /\(crit\)/),
    made("that demands no extension, aloud", raw(good, { ...es256, crit: [] }), /\(crit\)/),
    made("whose payload is not encoded", raw(good, { ...es256, crit: ["b64"], b64: false }), /\(crit\)/),
    made("with a claim twice", raw(`{"sub":"keeper-1",${goodText.slice(1)}`), /member twice/),
    made("with a claim twice, escaped", raw(`{"\\u0073ub":"keeper-1",${goodText.slice(1)}`), /member twice/),
    made("with roles twice, deep inside", raw(`{"a":{"r":1,"r":2},${goodText.slice(1)}`), /member twice/),
    made("with a claim in two cases", raw(`{"Sub":"keeper-1",${goodText.slice(1)}`), /differ only in case/),
    made("with a header twice", raw(good, '{"alg":"none","alg":"ES256","kid":"es-1"}'), /member twice/),
    made(
      "with __proto__ among its claims",
      raw(`{"__proto__":{"sub":"x"},${goodText.slice(1)}`),
      /__proto__/,
    ),
    claims("that is oversized", { padding: "p".repeat(20_000) }, /longer than 16384/),
    signed("to log somebody out", { typ: "logout+jwt" }, /something else \(typ\)/),
    claims("to log somebody out, of no type", { events: LOGOUT }, /event/),
    signed("to prove possession of a key", { typ: "dpop+jwt" }, /something else \(typ\)/),
    signed("that delegates", { typ: "hopguard-delegation+jwt" }, /something else \(typ\)/),
    signed("that asserts a call", { typ: "hopguard-assertion+jwt" }, /something else \(typ\)/),
    signed("of a type that nobody knows", { typ: "application/JWT; x=1" }, /something else \(typ\)/),
    signed("of a type that is no text", { typ: ["JWT"] }, /something else \(typ\)/),
    claims(
      "that is bound to a key",
      { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } },
      /bound to a key/,
    ),
    made("whose claims were swapped", `${header}.${otherPayload}.${signature}`, /signature/),
    made("whose signature was cut", `${header}.${payload}.${signature.slice(0, -4)}`, /signature/),
    made("whose signature is another's", `${header}.${payload}.${b64({ x: "y".repeat(40) })}`, /signature/),
    made("of two parts", `${header}.${payload}`, /no signed JWT/),
    made("of four parts", `${header}.${payload}.${signature}.${signature}`, /no signed JWT/),
    made("that is encrypted", signer.encrypt(good), /no signed JWT/),
    made("that is garbage", "a-token", /no signed JWT/),
    made("of nothing but dots", "..", /no signed JWT/),
    made("of blanks", "   ", /no signed JWT/),
    made("with the scheme before it", `Bearer ${header}.${payload}.${signature}`, /no signed JWT/),
    made("with a line break behind it", `${header}.${payload}.${signature}\n`, /no signed JWT/),
    made("with padding", `${header}.${payload}=.${signature}`, /no signed JWT/),
    made(
      "in the other alphabet",
      raw(good, { ...es256, x: "???>>>" }).replaceAll(/[-_]/g, "/"),
      /no signed JWT/,
    ),
    made("in JSON", JSON.stringify({ protected: header, payload, signature }), /no signed JWT/),
    made("whose claims are a list", raw([good]), /no object/),
    made("whose claims are text", raw(JSON.stringify("claims")), /no object/),
    made("whose claims are no JSON", raw("sub=clerk-1"), /not JSON/),
    made("whose claims are no UTF-8", raw(Buffer.from([0x7b, 0xff, 0x7d])), /cannot be read/),
    made("whose claims begin with a byte order mark", raw(`\ufeff${goodText}`), /not JSON/),
    made("without sub", signer.sign(without("sub")), /missing required "sub"/),
    made("with a number as sub", raw({ ...good, sub: 1042 }), /names nobody/),
    claims("with an empty sub", { sub: "" }, /names nobody/),
    claims("with a line break in sub", { sub: "clerk-1\nkeeper-1" }, /control characters/),
    claims("with a number as sid", { sid: 7 }, /names no session/),
    claims("with an empty sid", { sid: "" }, /names no session/),
    made("without roles", signer.sign(without("roles")), /no roles/),
    claims("with an empty list of roles", { roles: [] }, /no roles/),
    claims("with roles as text", { roles: "clerk keeper" }, /no list of roles/),
    claims("with a number among its roles", { roles: ["clerk", 1] }, /no list of roles/),
    claims("with roles that are an object", { roles: { 0: "clerk", length: 1 } }, /no list of roles/),
    claims("of another agent", { act: { sub: "other-bot" } }, /other-bot/),
    claims("of an agent without a name", { act: {} }, /act names nobody/),
    claims("of an agent that is text", { act: "test-agent" }, /act names nobody/),
    claims("whose limits are no list", { authorization_details: { type: "mcp_till" } }, /array/),
    claims(
      "with a limit that nobody can read",
      { authorization_details: [{ type: "mcp_till", actions: ["*"] }] },
      /authorization_details/,
    ),
    claims(
      "with a limit that says too much",
      {
        authorization_details: [{ type: "mcp_till", actions: ["tools/call/refund"], locations: ["eu"] }],
      },
      /authorization_details/,
    ),
    claims(
      "with a limit of no type",
      { authorization_details: [{ actions: ["tools/call/refund"] }] },
      /type/,
    ),
  ]);
}

const b64 = (part: object): string => Buffer.from(JSON.stringify(part)).toString("base64url");
