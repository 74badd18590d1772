import { createGuard, DENIAL_REASONS, type Denial, type Session, type TokenSource } from "hopguard";
import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import { jwt } from "hopguard/identity";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { auditRecorder } from "../../support/audit-recorder";
import { AUDIENCE, badTokens, goodClaims, ISSUER } from "../../support/bad-tokens";
import { TokenSigner } from "../../support/token-signer";
import {
  allowedDoors,
  denialIn,
  expectNothingSent,
  onEveryPdp,
  openStage,
  type Stage,
} from "../../support/threats";

const signer = new TokenSigner();
const identity = jwt({
  issuer: ISSUER,
  audience: AUDIENCE,
  jwks: await signer.jwks(),
  claims: { attr: { department: "department" } },
});
const bad = await badTokens(signer);
const good = await signer.sign(goodClaims());

/** What is the same in every denial of a token, whatever was wrong with it. */
const saidOf = ({ hop: _, decision_id: _id, ...said }: Denial) => said;
const NO_MORE_THAN = {
  decision: "deny",
  code: "unauthenticated",
  reason: DENIAL_REASONS.unauthenticated,
  retryable: false,
};

onEveryPdp("a session that rests on a token", (on) => {
  const audit = auditRecorder();
  let stage: Stage;
  let pdp: CerbosPdp;

  const open = (token: TokenSource): Promise<Session> =>
    createGuard({ pdp, audit, identity, timeoutMs: 10_000, repeats: false }).session({
      token,
      agent: { id: "test-agent" },
    });

  beforeAll(async () => {
    stage = await openStage(on);
    pdp = cerbos(stage.pdpUrl, { timeoutMs: 10_000 });
  });
  afterAll(async () => {
    pdp.close();
    await stage.close();
  });
  beforeEach(() => stage.reset());

  it("is the bearer's of each token, in 100 interleaved calls of two", async () => {
    const visitor = await signer.sign({ ...goodClaims("visitor-1"), roles: ["visitor"] });
    const [mine, theirs] = await Promise.all([open(good), open(visitor)]);
    const hop = { kind: "tool_till", action: "tools/call/note", attr: { arguments: { text: "hello" } } };
    const decisions = await Promise.all(
      Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? mine : theirs).check(hop)),
    );
    decisions.forEach(({ effect, decisionId }, index) => {
      expect(effect).toBe(index % 2 === 0 ? "allow" : "deny");
      const id = index % 2 === 0 ? "clerk-1" : "visitor-1";
      expect(audit.of(decisionId)).toMatchObject([{ subject: { id } }]);
    });
  });

  it("may have a role twice, as groups of groups give it", async () => {
    const session = await open(await signer.sign({ ...goodClaims(), roles: ["clerk", "clerk"] }));
    const hop = { kind: "tool_till", action: "tools/call/note", attr: { arguments: { text: "hello" } } };
    expect(await session.check(hop)).toMatchObject({ effect: "allow" });
  });

  it.each(bad)("is not opened with a token $name, and nobody learns why", async ({ token, detail }) => {
    const denial = await denialIn(open(token));
    expect(saidOf(denial)).toEqual(NO_MORE_THAN);
    const [record] = audit.of(denial.decision_id);
    expect(record).toMatchObject({ effect: "deny", subject: { id: "unknown", roles: [] } });
    expect(record?.detail).toMatch(detail);
    expect(record?.detail, "part of a token").not.toMatch(/ey[\w-]{20}/);
    expectNothingSent(stage);
  });

  describe.each(allowedDoors)("of $name", ({ open: openDoor }) => {
    it("has no authority on a hop whose token is bad, and has it again with a good one", async () => {
      let token = good;
      const call = await openDoor(stage, await open(() => token));
      for (const { name, token: given, detail } of bad) {
        token = given;
        const denial = await denialIn(call());
        expect(saidOf(denial), name).toEqual(NO_MORE_THAN);
        const [record] = audit.of(denial.decision_id);
        expect(record?.detail, name).toMatch(detail);
        expect(record?.pdp_call_ids, name).toEqual([]);
      }
      expectNothingSent(stage);
      token = good;
      await call();
      expect(stage.upstream()).toHaveLength(1);
    });

    it.each<[string, () => string | Promise<string>]>([
      ["cannot be had", () => Promise.reject(new Error("nobody is logged in"))],
      ["is nothing", () => undefined as never],
      ["is empty", () => ""],
      ["only becomes text", () => ({ toString: () => good }) as never],
      ["is a list of one", () => [good] as never],
    ])("has none on a hop whose token %s", async (_, renew) => {
      let source: () => string | Promise<string> = () => good;
      const call = await openDoor(stage, await open(() => source()));
      source = renew;
      expect(saidOf(await denialIn(call()))).toEqual(NO_MORE_THAN);
      expectNothingSent(stage);
    });
  });
});
