import { rename, rm, writeFile } from "node:fs/promises";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigurationError, createGuard } from "hopguard";
import { spiffe, tokenFromFile, type SpiffeOptions } from "hopguard/identity";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it, onTestFinished } from "vitest";
import { serve } from "../../examples/shared/serve";
import { auditRecorder } from "../support/audit-recorder";
import { AUDIENCE } from "../support/bad-tokens";
import { seconds, TokenSigner, type Kid } from "../support/token-signer";

const acme = new TokenSigner();
const evil = new TokenSigner();
const TRIAGE = "spiffe://acme.example/agent/triage";

/** A bundle as SPIRE publishes it: keys of JWT-SVIDs beside certificates. */
async function bundleOf(signer: TokenSigner, kids: readonly Kid[] = ["es-1", "rsa-1"], hint?: number) {
  const keys = await Promise.all(
    kids.map(async (kid) => {
      const { alg: _, ...key } = await signer.jwk(kid);
      return { ...key, use: "jwt-svid" };
    }),
  );
  const { alg: _, ...certified } = await signer.jwk("foreign-1");
  return {
    keys: [{ ...certified, use: "x509-svid", x5c: ["MIIB"] }, ...keys],
    spiffe_sequence: 7,
    ...(hint !== undefined && { spiffe_refresh_hint: hint }),
  };
}

const claims = (sub = TRIAGE) => ({ sub, aud: [AUDIENCE], iat: seconds(), exp: seconds(300) });
const svid = (sub = TRIAGE, { by = acme, kid = "es-1", ...changed }: { by?: TokenSigner; kid?: Kid } = {}) =>
  by.sign({ ...claims(sub), ...changed }, { kid, typ: "JWT" });

const options = async (more: Partial<SpiffeOptions> = {}): Promise<SpiffeOptions> => ({
  trustDomains: {
    "acme.example": { bundle: await bundleOf(acme) },
    "evil.example": { bundle: await bundleOf(evil) },
  },
  audience: AUDIENCE,
  roles: { "spiffe://acme.example/agent/*": ["agent"], [TRIAGE]: ["triage"] },
  ...more,
});
const verifier = async (more: Partial<SpiffeOptions> = {}) => spiffe(await options(more));
const roleOf = async (sub: string, more: Partial<SpiffeOptions> = {}) =>
  (await (await verifier(more)).verify(await svid(sub))).principal.roles;

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "hopguard-spiffe-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

/** As SPIRE's helper does it: readers see the old file or the new one. */
async function replace(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

describe("a JWT-SVID", () => {
  it("makes the workload itself the principal", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const guard = createGuard({ pdp, audit: auditRecorder(), identity: await verifier() });
    const session = await guard.session({ token: await svid(), agent: { id: "triage" } });
    expect(await session.check({ kind: "mcp_desk", action: "tools/list" })).toMatchObject({
      effect: "allow",
    });
    expect(pdp.queries[0]?.principal).toMatchObject({
      id: TRIAGE,
      roles: ["triage"],
      attr: { type: "agent", auth: { method: "spiffe", issuer: "acme.example", verified: true } },
    });
  });

  it("may be signed with what its specification allows, and has the roles of its id", async () => {
    const identity = await verifier();
    for (const alg of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
      await identity.verify(await acme.sign(claims(), { kid: "rsa-1", alg }));
    expect(await roleOf("spiffe://acme.example/agent/other/below")).toEqual(["agent"]);
    expect(await roleOf(TRIAGE, { roles: (id) => [id.slice(-6)] })).toEqual(["triage"]);
    const later = (() => Promise.reject(new Error("nobody knows"))) as never;
    await expect(roleOf(TRIAGE, { roles: later })).rejects.toThrow(/roles must be there at once/);
    const roles = { "spiffe://acme.example/*": ["any"], "spiffe://acme.example/a/*": ["a"] };
    expect(await roleOf("spiffe://acme.example/a/b", { roles })).toEqual(["a"]);
    expect(await roleOf("spiffe://acme.example/a", { roles })).toEqual(["any"]);
    expect(await roleOf("spiffe://acme.example/ab/c", { roles })).toEqual(["any"]);
    expect((await (await verifier({ type: "service" })).verify(await svid())).principal.type).toBe("service");
  });

  it("may be of a type or of none", async () => {
    const identity = await verifier();
    for (const typ of ["JWT", "JOSE"]) await identity.verify(await acme.sign(claims(), { typ }));
    await identity.verify(await acme.sign(claims()));
    await identity.verify(acme.signRaw({ alg: "RS256" }, claims(), "rsa-1"));
  });

  const { exp: _exp, ...unlimited } = claims();
  const { aud: _aud, ...forNobody } = claims();
  const es256 = { alg: "ES256", kid: "es-1" };
  it.each<[string, () => string | Promise<string>, RegExp]>([
    ["of another trust domain's making", () => svid(TRIAGE, { by: evil }), /signature/],
    ["of a trust domain that nobody knows", () => svid("spiffe://other.example/x"), /trust domain/],
    ["signed with the key of a certificate", () => svid(TRIAGE, { kid: "foreign-1" }), /no applicable key/],
    ["that never expires", () => acme.sign(unlimited), /missing required "exp"/],
    ["that has expired", () => acme.sign({ ...claims(), exp: seconds(-1) }), /exp/],
    ["for nobody", () => acme.sign(forNobody), /missing required "aud"/],
    ["for others", () => acme.sign({ ...claims(), aud: ["https://other.example"] }), /"aud"/],
    ["for several", () => acme.sign({ ...claims(), aud: [AUDIENCE, "x"] }), /several audiences/],
    ["of another type", () => acme.sign(claims(), { typ: "at+jwt" }), /typ/],
    [
      "with a header of another kind",
      () => acme.sign(claims(), { jku: "https://evil.example" }),
      /no header jku/,
    ],
    ["with a header of its own", () => acme.sign(claims(), { role: "admin" }), /no header role/],
    ["with EdDSA", () => acme.sign(claims(), { kid: "ed-1" }), /alg/i],
    ["with a public key as secret", () => acme.signWithPublicKey(claims(), "rsa-1"), /alg/i],
    [
      "without a signature",
      () => `${acme.signRaw({ alg: "none" }, claims()).replace(/[^.]*$/, "")}AA`,
      /alg/i,
    ],
    [
      "with a claim twice",
      () => acme.signRaw(es256, `{"sub":"${TRIAGE}",${JSON.stringify(claims()).slice(1)}`),
      /member twice/,
    ],
    ["of a workload without roles", () => svid("spiffe://acme.example/db"), /no roles for spiffe:\/\/acme/],
    [
      "of a workload whose name begins like another's",
      () => svid("spiffe://acme.example/agents/x"),
      /no roles/,
    ],
    ...[
      "spiffe://acme.example",
      "spiffe://acme.example/",
      "spiffe://acme.example/agent/",
      "spiffe://acme.example//agent",
      "spiffe://acme.example/agent/../admin",
      "spiffe://acme.example/./agent",
      "spiffe://acme.example/agent/%74riage",
      "spiffe://acme.example/agent/triage?x",
      "spiffe://acme.example/agent/triage#x",
      "spiffe://acme.example:8443/agent/triage",
      "spiffe://me@acme.example/agent/triage",
      "spiffe://ACME.example/agent/triage",
      "SPIFFE://acme.example/agent/triage",
      "spiffe:///agent/triage",
      "spiffe://acme.example/agent/tri age",
      "spiffe://acme.example/agent/triagé",
      "https://acme.example/agent/triage",
      `spiffe://acme.example/${"a".repeat(2048)}`,
      `${TRIAGE}\n`,
      "triage",
    ].map(
      (sub) =>
        [`of ${JSON.stringify(sub.slice(0, 50))}`, () => svid(sub), /no SPIFFE id/] as [
          string,
          () => Promise<string>,
          RegExp,
        ],
    ),
  ])("%s proves nothing", async (_, token, detail) => {
    await expect((await verifier()).verify(await token())).rejects.toThrow(detail);
  });
});

describe("a bundle", () => {
  it("at an address is asked for again when it says so, and lives for twice as long", async () => {
    let ahead = 0;
    let bundle: object | undefined = await bundleOf(acme, ["es-1"], 60);
    let asked = 0;
    const server = await serve(() => {
      asked++;
      return Promise.resolve(bundle ? Response.json(bundle) : new Response(null, { status: 503 }));
    });
    onTestFinished(() => server.stop());
    const identity = await verifier({
      trustDomains: { "acme.example": { bundle: `${server.url}/bundle` } },
      clock: () => new Date(Date.now() + ahead),
    });
    const token = await svid();
    const proves = () =>
      identity.verify(token).then(
        () => "proven",
        (error: unknown) => String(error),
      );

    expect(await proves()).toBe("proven");
    ahead = 59_000;
    expect([await proves(), asked]).toEqual(["proven", 1]);
    ahead = 61_000;
    expect(await proves()).toBe("proven");
    await expect.poll(() => asked).toBe(2);
    bundle = undefined;
    ahead = 61_000 + 119_000;
    expect(await proves()).toBe("proven");
    await expect.poll(() => asked).toBe(3);
    ahead = 61_000 + 121_000;
    expect(await proves()).toMatch(/cannot be had/);
  });

  it("may hold members that are no keys: the others count", async () => {
    const path = join(await temporaryFolder(), "bundle.json");
    const bundle = (await bundleOf(acme, ["es-1"])) as { keys: object[] };
    await writeFile(path, JSON.stringify({ ...bundle, keys: [{ use: "jwt-svid" }, null, ...bundle.keys] }));
    const identity = await verifier({ trustDomains: { "acme.example": { bundle: path } } });
    expect(await identity.verify(await svid())).toMatchObject({ auth: { issuer: "acme.example" } });
    const keys = bundle.keys.map(({ use: _, ...key }: { use?: unknown }) => key);
    await writeFile(path, JSON.stringify({ keys: [{ use: "jwt-svid" }, ...keys] }));
    const other = await verifier({ trustDomains: { "acme.example": { bundle: path } } });
    await expect(other.verify(await svid())).rejects.toThrow(/no applicable key/);
  });

  it("in a file counts anew when the file is another, and its old keys count no more", async () => {
    const path = join(await temporaryFolder(), "bundle.json");
    await writeFile(path, JSON.stringify(await bundleOf(acme, ["es-1"])));
    for (const bundle of [path, pathToFileURL(path), String(pathToFileURL(path))])
      await (await verifier({ trustDomains: { "acme.example": { bundle } } })).verify(await svid());

    let ahead = 0;
    const identity = await verifier({
      trustDomains: { "acme.example": { bundle: path } },
      clock: () => new Date(Date.now() + ahead),
    });
    const [old, renewed] = [await svid(), await svid(TRIAGE, { kid: "rsa-1" })];
    await identity.verify(old);
    await expect(identity.verify(renewed)).rejects.toThrow(/no applicable key/);
    await replace(path, JSON.stringify(await bundleOf(acme, ["rsa-1"])));
    ahead = 5000;
    await identity.verify(renewed);
    await expect(identity.verify(old)).rejects.toThrow(/no applicable key/);
  });

  it("in a file that cannot be read any more is used for its life, and then no longer", async () => {
    const path = join(await temporaryFolder(), "bundle.json");
    await writeFile(path, JSON.stringify(await bundleOf(acme)));
    let ahead = 0;
    const identity = await verifier({
      trustDomains: { "acme.example": { bundle: path } },
      clock: () => new Date(Date.now() + ahead),
    });
    const token = await acme.sign({ ...claims(), exp: seconds(3600) });
    await identity.verify(token);
    await rm(path);
    ahead = 595_000;
    await identity.verify(token);
    ahead = 601_000;
    await expect(identity.verify(token)).rejects.toThrow(/cannot be had: .*ENOENT/);
    await writeFile(path, '{"keys": [');
    ahead = 603_000;
    await expect(identity.verify(token)).rejects.toThrow(/not JSON/);
    await writeFile(path, JSON.stringify(await bundleOf(acme)));
    ahead = 605_000;
    await identity.verify(token);
  });

  it("of the Workload API, whose keys say nothing of their use, is taken whole", async () => {
    const keys = (await bundleOf(acme)).keys.slice(1).map(({ use: _, ...key }) => key);
    const identity = await verifier({ trustDomains: { "acme.example": { bundle: { keys } } } });
    expect((await identity.verify(await svid())).principal.id).toBe(TRIAGE);
  });

  it("without keys for JWT-SVIDs proves nothing", async () => {
    const { keys } = await bundleOf(acme);
    for (const use of ["x509-svid", "sig", "JWT-SVID", "wit-svid"]) {
      const bundle = { keys: keys.map((key) => ({ ...key, use })) };
      const identity = await verifier({ trustDomains: { "acme.example": { bundle } } });
      await expect(identity.verify(await svid())).rejects.toThrow(/no applicable key/);
    }
  });
});

describe("a token in a file", () => {
  it("is read on every hop, so that a renewed one counts at once", async () => {
    const path = join(await temporaryFolder(), "svid.token");
    await writeFile(path, `${await svid()}\n`);
    const audit = auditRecorder();
    const pdp = stubPdp({ rules: [() => true] });
    const guard = createGuard({ pdp, audit, identity: await verifier(), repeats: false });
    const session = await guard.session({ token: tokenFromFile(path), agent: { id: "triage" } });
    const effect = async () => (await session.check({ kind: "mcp_desk", action: "tools/list" })).effect;
    expect(await effect()).toBe("allow");
    await replace(path, await acme.sign({ ...claims(), exp: seconds(-1) }));
    expect(await effect()).toBe("deny");
    await replace(path, await svid(TRIAGE, { kid: "rsa-1" }));
    expect(await effect()).toBe("allow");
    await rm(path);
    expect(await effect()).toBe("deny");
    expect(audit.records.at(-1)).toMatchObject({ code: "unauthenticated" });
  });
});

it.each<[string, object, RegExp]>([
  ["no trust domain", { trustDomains: {} }, /spiffe\.trustDomains/],
  [
    "a trust domain that is none",
    { trustDomains: { ACME: { bundle: { keys: [] } } } },
    /spiffe\.trustDomains\.ACME/,
  ],
  [
    "a bundle over an open line",
    { trustDomains: { "a.b": { bundle: "http://a.b/bundle" } } },
    /bundle.*https/,
  ],
  [
    "a bundle over another line",
    { trustDomains: { "a.b": { bundle: "ftp://a.b/bundle" } } },
    /bundle.*https/,
  ],
  ["a bundle without keys", { trustDomains: { "a.b": { bundle: {} } } }, /bundle/],
  ["no audience", { audience: "" }, /spiffe\.audience/],
  ["no roles", { roles: undefined }, /spiffe\.roles/],
  ["roles of nobody", { roles: { triage: ["x"] } }, /spiffe\.roles\.triage/],
  ["roles of everybody", { roles: { "*": ["x"] } }, /spiffe\.roles/],
  ["roles of every trust domain", { roles: { "spiffe://*": ["x"] } }, /spiffe\.roles/],
  ["an empty list of roles", { roles: { [TRIAGE]: [] } }, /spiffe\.roles/],
  ["algorithms", { algorithms: ["HS256"] }, /algorithms/],
])("a wrong option of spiffe is refused where it is given: %s", async (_, more, message) => {
  const given = { ...(await options()), ...more };
  expect(() => spiffe(given)).toThrow(ConfigurationError);
  expect(() => spiffe(given)).toThrow(message);
});
