import { createGuard } from "hopguard";
import { jwt, loginsOf, type ClaimFunction, type ClaimMapping } from "hopguard/identity";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it } from "vitest";
import { auditRecorder } from "../support/audit-recorder";
import { AUDIENCE, goodClaims, ISSUER } from "../support/bad-tokens";
import { seconds, TokenSigner } from "../support/token-signer";

const signer = new TokenSigner();
const jwks = await signer.jwks();

/** What comes of a token with these claims, beside those of every good token. */
async function identityOf(claims: ClaimMapping | ClaimFunction, given: object) {
  const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks, claims });
  return verifier.verify(await signer.sign({ ...goodClaims(), ...given }));
}
const principalOf = async (...given: Parameters<typeof identityOf>) => (await identityOf(...given)).principal;

describe("a mapping of claims", () => {
  it("takes sub and roles, unless it says otherwise", async () => {
    expect(await principalOf({}, { email: "ada@acme.example", department: "support" })).toEqual({
      id: "clerk-1",
      roles: ["clerk"],
      type: "user",
      attr: {},
    });
  });

  it("takes a claim by its name, dots and slashes and all, and one deep inside by the way to it", async () => {
    const claims = {
      "realm_access.roles": ["wrong"],
      realm_access: { roles: ["engineer"], "a.b": 1 },
      "https://acme.example/tenant": { id: "t-1", tags: ["x"] },
      "kubernetes.io": { namespace: "prod" },
      constructor: "own",
    };
    const mapping: ClaimMapping = {
      id: ["https://acme.example/tenant", "id"],
      idPrefix: "tenant:",
      roles: ["realm_access", "roles"],
      type: "service",
      attr: {
        tenant: "https://acme.example/tenant",
        namespace: ["kubernetes.io", "namespace"],
        dotted: ["realm_access", "a.b"],
        missing: "nobody",
        deep: ["department", "name"],
        constructor: "constructor",
        inherited: "toString",
        inside: ["https://acme.example/tenant", "hasOwnProperty"],
      },
    };
    expect(await principalOf(mapping, claims)).toEqual({
      id: "tenant:t-1",
      roles: ["engineer"],
      type: "service",
      attr: {
        tenant: { id: "t-1", tags: ["x"] },
        namespace: "prod",
        dotted: 1,
        constructor: "own",
      },
    });
  });

  it.each<[string, ClaimMapping["roles"], object, readonly string[]]>([
    ["a list", "groups", { groups: ["a", "b c"] }, ["a", "b c"]],
    ["text with spaces", { claim: "scope", split: " " }, { scope: "read  write" }, ["read", "write"]],
    ["text with commas", { claim: ["x", "y"], split: "," }, { x: { y: "a,b" } }, ["a", "b"]],
    ["a list where text may be", { claim: "scope", split: " " }, { scope: ["a b"] }, ["a b"]],
    ["a default, for none", { claim: "groups", default: ["guest"] }, {}, ["guest"]],
    ["a default, for an empty list", { claim: "groups", default: ["guest"] }, { groups: [] }, ["guest"]],
    ["a default, for empty text", { claim: "s", split: " ", default: ["guest"] }, { s: " " }, ["guest"]],
  ])("takes roles from %s", async (_, roles, claims, expected) => {
    expect((await principalOf({ roles: roles ?? "roles" }, claims)).roles).toEqual(expected);
  });

  it.each<[string, ClaimMapping, object, RegExp]>([
    ["no roles", { roles: "groups" }, {}, /no roles in groups/],
    ["no roles on the way", { roles: ["a", "b"] }, { a: [] }, /no roles in a → b/],
    ["dots that mean nothing", { roles: "a.b" }, { a: { b: ["x"] } }, /no roles in a\.b/],
    ["text where a list is expected", { roles: "scope" }, { scope: "read" }, /scope is no list of roles/],
    ["null", { roles: { claim: "roles", default: ["guest"] } }, { roles: null }, /no list of roles/],
    ["a number", { roles: { claim: "roles", default: ["guest"] } }, { roles: 7 }, /no list of roles/],
    ["no id", { id: "email" }, {}, /no name in email/],
    ["an id that is a number", { id: "uid" }, { uid: 1042 }, /no name in uid/],
    ["an empty id, whatever goes before it", { id: "uid", idPrefix: "u:" }, { uid: "" }, /no name in uid/],
  ])("refuses a token with %s, and says so for the record", async (_, mapping, claims, detail) => {
    await expect(identityOf(mapping, claims)).rejects.toThrow(detail);
  });
});

describe("a function of claims", () => {
  it("says who the principal is", async () => {
    const partner: ClaimFunction = ({ sub, groups }) => ({
      id: `partner:${sub as string}`,
      roles: (groups as string[]).map((group) => group.replace("acme-", "")),
      type: "user",
      attr: { partner: true },
    });
    expect(await principalOf(partner, { groups: ["acme-clerk"] })).toEqual({
      id: "partner:clerk-1",
      roles: ["clerk"],
      type: "user",
      attr: { partner: true },
    });
  });

  it.each<[string, ClaimFunction, RegExp]>([
    [
      "throws",
      () => {
        throw new Error("no such partner");
      },
      /no such partner/,
    ],
    ["answers with nothing", () => undefined as never, /principal/],
    ["names no roles", () => ({ id: "x", roles: [] }), /roles/],
    ["answers later", (() => Promise.resolve({ id: "x", roles: ["clerk"] })) as never, /principal/],
    // Which would end the process if nobody listened.
    ["fails later", (() => Promise.reject(new Error("no such partner"))) as never, /principal/],
    ["sets a name of the guard's own", () => ({ id: "x", roles: ["clerk"], attr: { auth: {} } }), /auth/],
    [
      "answers with what is no JSON",
      () => ({ id: "x", roles: ["clerk"], attr: { when: 1n } }),
      /principal\.attr: .*JSON/,
    ],
  ])("that %s opens no session", async (_, claims, detail) => {
    const audit = auditRecorder();
    const identity = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks, claims });
    const pdp = stubPdp({ rules: [() => true] });
    const guard = createGuard({ pdp, audit, identity });
    const opening = guard.session({ token: await signer.sign(goodClaims()), agent: { id: "bot" } });
    await expect(opening).rejects.toMatchObject({ denial: { code: "unauthenticated" } });
    expect(audit.records[0]?.detail).toMatch(detail);
    expect(pdp.queries).toEqual([]);
  });

  it("cannot change later what it has said", async () => {
    const said = { id: "clerk-1", roles: ["clerk"], attr: { teams: ["desk"] } };
    const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks, claims: () => said });
    const token = await signer.sign(goodClaims());
    await verifier.verify(token);
    said.roles.push("keeper");
    said.attr.teams.push("vault");
    expect((await verifier.verify(token)).principal).toMatchObject({
      roles: ["clerk"],
      attr: { teams: ["desk"] },
    });
  });

  it("cannot change the claims that others read", async () => {
    const claims: ClaimFunction = (claims) => {
      (claims as { sub: string }).sub = "keeper-1";
      return { id: claims.sub as string, roles: ["clerk"] };
    };
    await expect(identityOf(claims, {})).rejects.toThrow(/read.?only/i);
  });
});

describe("what else a token says", () => {
  it("is until when, since when, by whose word, of which login", async () => {
    const { iat, exp } = goodClaims();
    const proven = await identityOf({}, { iat, exp, sid: "s-1" });
    expect(proven).toMatchObject({
      auth: { method: "jwt", issuer: ISSUER, verified: true },
      expiresAt: exp * 1000,
      issuedAt: iat * 1000,
      logins: loginsOf({ iss: ISSUER, sid: "s-1", sub: "clerk-1" }),
    });
    expect(proven).not.toHaveProperty("actor");
    expect(proven).not.toHaveProperty("authorizationDetails");
  });

  it("is the same value for the same token, for half a minute and among the last thousand", async () => {
    let ahead = 0;
    const clock = () => new Date(Date.now() + ahead);
    const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks, clock });
    const token = await signer.sign(goodClaims());
    const first = await verifier.verify(token);
    expect(Object.isFrozen(first)).toBe(true);
    ahead = 29_000;
    expect(await verifier.verify(token)).toBe(first);
    ahead = 31_000;
    const second = await verifier.verify(token);
    expect(second).not.toBe(first);
    expect(second).toEqual(first);
    for (let others = 0; others < 1000; others++)
      await verifier.verify(signer.signRaw({ alg: "ES256", kid: "es-1" }, { ...goodClaims(), jti: others }));
    expect(await verifier.verify(token)).not.toBe(second);
  });

  it("is proven by nobody once it has expired, however short ago it was", async () => {
    let ahead = 0;
    const clock = () => new Date(Date.now() + ahead);
    const verifier = jwt({ issuer: ISSUER, audience: AUDIENCE, jwks, clock });
    const token = await signer.sign({ ...goodClaims(), exp: seconds(20) });
    await verifier.verify(token);
    ahead = 20_000;
    await expect(verifier.verify(token)).rejects.toThrow(/exp/);
  });

  it("is who acts: the outermost actor alone", async () => {
    expect((await identityOf({}, { act: { sub: "executor", act: { sub: "planner" } } })).actor).toBe(
      "executor",
    );
  });

  it("is what limits it: entries about hops, and none about other things", async () => {
    const ours = {
      type: "mcp_payments",
      actions: ["tools/call/refund_*"],
      constraints: { "arguments.amount_cents": { maximum: 5000 } },
    };
    const transfer = { type: "https://bank.example/transfer", instructedAmount: { amount: "12.50" } };
    const read = async (authorization_details: unknown) =>
      (await identityOf({}, { authorization_details })).authorizationDetails;
    expect(await read([transfer, ours])).toEqual([ours]);
    expect(await read([{ type: "invoice", actions: ["read"] }])).toEqual([
      { type: "invoice", actions: ["read"] },
    ]);
    expect(await read([transfer])).toEqual([]);
    expect(await read([])).toEqual([]);
    for (const unreadable of [
      null,
      {},
      "all",
      [null],
      ["mcp_payments"],
      [{ ...ours, actions: "*" }],
      [{ ...ours, until: 1 }],
    ])
      await expect(read(unreadable)).rejects.toThrow();
  });
});

describe("names of logins", () => {
  it("are never those of another issuer's, session's or user's", () => {
    const names = [
      { iss: "a", sid: "b" },
      { iss: "a", sub: "b" },
      { iss: "a", sid: 'b","sub' },
      { iss: 'a","sid', sub: "b" },
      { iss: 'a","sid","b', sid: "" },
      { iss: "", sid: 'a","sid","b' },
    ].flatMap(loginsOf);
    expect(new Set(names).size).toBe(names.length);
  });

  it("are one for each that is known", () => {
    expect(loginsOf({ iss: ISSUER })).toEqual([]);
    expect(loginsOf({ iss: ISSUER, sid: "s", sub: "u" })).toHaveLength(2);
  });
});
