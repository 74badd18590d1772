import { randomUUID } from "node:crypto";
import { exportJWK } from "jose";
import {
  ConfigurationError,
  createGuard,
  memoryState,
  type DelegateOptions,
  type Guard,
  type GuardOptions,
  type Session,
  type VerifiedIdentity,
} from "hopguard";
import { delegationTokens, type DelegationTokensOptions } from "hopguard/identity";
import { redisState } from "hopguard/redis";
import { stubPdp, type StubPdp } from "hopguard/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { auditRecorder, type AuditRecorder } from "../support/audit-recorder";
import { startDelegationWorker } from "../support/delegation-workers";
import {
  cancel,
  codeOf,
  delegation,
  DELEGATION_POLICIES,
  handedOn,
  refund,
  REFUNDS,
  refusal,
  tokenOf,
  trusting,
} from "../support/delegations";
import { openDesk, type Desk } from "../support/desk";
import { redisBinary, startRedis } from "../support/redis-server";
import { seconds, TokenSigner, type Kid } from "../support/token-signer";

const ISSUER = "https://agents.example";
const signer = new TokenSigner();

let tokenOptions: DelegationTokensOptions;
let desk: Desk;
beforeAll(async () => {
  const key = await exportJWK(signer.keys["es-1"].privateKey);
  tokenOptions = {
    issuer: ISSUER,
    sign: { key, algorithm: "ES256", kid: "es-1" },
    keys: await signer.jwks(["es-1"]),
  };
  const counted = {
    actions: ["tools/call/count"],
    effect: "EFFECT_ALLOW" as const,
    roles: ["clerk"],
    condition: { match: { expr: "R.attr.context.usage.session.calls <= 10.0" } },
  };
  desk = await openDesk({ policies: [...DELEGATION_POLICIES, { kind: "tool_counted", rules: [counted] }] });
});
afterAll(() => desk.close());

/** Two processes' guards: they share the keys, and the state. */
function guards(options: Partial<GuardOptions> = {}) {
  const time = { now: Date.now() };
  const clock = (): Date => new Date(time.now);
  const { sign: _, ...verifyOnly } = tokenOptions;
  const pdp = stubPdp({ rules: [() => true], plan: () => "always" });
  const audit = auditRecorder();
  const shared: Partial<GuardOptions> = {
    audit,
    clock,
    state: memoryState(),
    identity: trusting,
    repeats: false,
  };
  const guardWith = (tokens: DelegationTokensOptions): Guard =>
    createGuard({
      pdp,
      ...shared,
      delegation: { tokens: delegationTokens({ ...tokens, clock }) },
      ...options,
    });
  return {
    first: guardWith(tokenOptions),
    second: guardWith(verifyOnly),
    pdp,
    audit,
    pass: (seconds: number) => void (time.now += seconds * 1000),
    time,
  };
}

const user = { id: "clerk-id", roles: ["clerk"], attr: { team: "desk", limits: { refund: 5 } } };
const open = (guard: Guard): Promise<Session> =>
  guard.session({
    principal: user,
    agent: { id: "root", roles: ["planner"] },
    task: { id: "T-1", attr: { ticket: 7 } },
  });

/** The session of the same agent in another process. */
const takenUp = async (guard: Guard, session: Session): Promise<Session> =>
  guard.session({ delegation: await session.delegationToken(), agent: { id: session.agent } });

describe("an agent in another process", () => {
  it("goes on as the one that it was delegated to: for the user, on the task, with the same grant", async () => {
    const { first, second, pdp, audit } = guards({ agents: "principal" });
    const child = await handedOn(await open(first), ["executor", "helper"]);
    const taken = await takenUp(second, child);
    const { id, agent, task, delegation: link } = child;
    expect(taken).toMatchObject({ id, agent, task, delegation: link });
    const asked = async (session: Session) => {
      const before = pdp.queries.length;
      expect(await codeOf(session, refund(5000))).toBe("allow");
      return pdp.queries.slice(before).map(({ principal, annotations }) => ({ principal, annotations }));
    };
    const here = await asked(child);
    expect(here).toHaveLength(4);
    expect(await asked(taken)).toEqual(here);
    for (const hop of [refund(5001), cancel])
      expect(await taken.check(hop)).toMatchObject({
        denial: { code: "delegation_invalid", refused_by: "executor" },
      });
    expect(audit.records.at(-1)).toMatchObject({
      session: id,
      chain: ["root", "executor"],
      delegation: link,
      task,
    });
  });

  it("may hand on what it was delegated, if it may, and only then", async () => {
    const { first } = guards();
    const child = await handedOn(await open(first), ["executor"]);
    const taken = await takenUp(first, child);
    const last = await handedOn(taken, ["helper"], { mayDelegate: false });
    const there = await takenUp(first, last);
    expect(await codeOf(there, refund(1))).toBe("allow");
    expect((await refusal(there.delegate(delegation({ to: "third" })))).reason).toBe(
      "helper may not delegate what it has received.",
    );
    expect((await refusal(taken.delegate(delegation({ to: "root" })))).reason).toContain("part of the chain");
    const wider = [{ ...REFUNDS, actions: ["tools/call/*"] }];
    expect(
      (await refusal(taken.delegate(delegation({ to: "third", authorization_details: wider })))).code,
    ).toBe("delegation_invalid");
  });

  it("counts with all others of the session, against one budget", async () => {
    const state = memoryState();
    const tokens = delegationTokens(tokenOptions);
    const [first, second] = [0, 1].map(() =>
      desk.guardWith({ state, delegation: { tokens }, usage: {} }),
    ) as [Guard, Guard];
    const counted = { authorization_details: [{ type: "tool_counted", actions: ["tools/call/*"] }] };
    const root = await open(first);
    const child = await handedOn(root, ["executor"], counted);
    const taken = await takenUp(second, child);
    const hop = { kind: "tool_counted", action: "tools/call/count" };
    const sessions = [root, child, taken];
    const codes = await Promise.all(
      Array.from({ length: 30 }, (_, index) => codeOf(sessions[index % 3] ?? root, hop)),
    );
    // One of the ten calls was the delegation itself.
    expect(codes.filter((code) => code === "allow")).toHaveLength(9);
  });

  it.each(["delegation", "parent", "session", "task", "principal", "agent"] as const)(
    "ends with its %s, wherever that was revoked",
    async (what) => {
      const { first, second } = guards();
      const root = await open(first);
      const parent = await handedOn(root, ["executor"]);
      const child = await handedOn(parent, ["helper"]);
      const taken = await takenUp(second, child);
      const target = {
        delegation: { delegation: String(child.delegation) },
        parent: { delegation: String(parent.delegation) },
        session: { session: root.id },
        task: { task: "T-1" },
        principal: { principal: "clerk-id" },
        agent: { agent: "root" },
      }[what];
      for (const guard of [first, second]) {
        expect(await codeOf(taken, refund(1))).toBe("allow");
        await guard.revoke(target);
        expect(await codeOf(taken, refund(1))).toBe("revoked");
        expect(await codeOf(child, refund(1))).toBe("revoked");
        expect((await refusal(child.delegationToken())).code).toBe("revoked");
        await guard.restore(target);
      }
    },
  );

  it("ends when it says so, in both, and not the agent above it", async () => {
    const { first, second } = guards();
    const parent = await handedOn(await open(first), ["executor"]);
    const child = await handedOn(parent, ["helper"]);
    const taken = await takenUp(second, child);
    await taken.end();
    for (const session of [taken, child]) expect(await codeOf(session, refund(1))).toBe("revoked");
    expect(await codeOf(parent, refund(1))).toBe("allow");
  });

  it("ends with its delegation's time", async () => {
    const { first, second, pass } = guards();
    const child = await handedOn(await open(first), ["executor"], { expiresIn: 100 });
    const token = await child.delegationToken();
    const taken = await second.session({ delegation: token, agent: { id: "executor" } });
    pass(98);
    expect(await codeOf(taken, refund(1))).toBe("allow");
    pass(2);
    expect(await codeOf(taken, refund(1))).toBe("delegation_invalid");
    expect((await refusal(second.session({ delegation: token, agent: { id: "executor" } }))).code).toBe(
      "delegation_invalid",
    );
    expect((await refusal(child.delegationToken())).code).toBe("delegation_invalid");
  });

  describe("for a user whose token was verified", () => {
    const verified = async (identity: Partial<VerifiedIdentity>, options: Partial<GuardOptions> = {}) => {
      const all = guards(options);
      const token = tokenOf({ principal: user, ...identity });
      const root = await all.first.session({ token, agent: { id: "root" } });
      const child = await handedOn(root, ["executor"]);
      return {
        ...all,
        child,
        taken: await takenUp(all.second, child),
      };
    };

    it("ends with the user's own token, which stays where it is", async () => {
      const { taken, pass, pdp } = await verified({ expiresAt: Date.now() + 60_000, issuedAt: Date.now() });
      expect(await codeOf(taken, refund(1))).toBe("allow");
      expect(pdp.queries.at(-1)?.principal.attr).toMatchObject({
        ...user.attr,
        auth: { method: "jwt", verified: true },
      });
      pass(60);
      expect(await codeOf(taken, refund(1))).toBe("delegation_invalid");
    });

    it.each([
      ["nothing", undefined],
      ["more than is known here", { method: "own", verified: true, level: 2 }],
    ])("goes on though a verifier of one's own has said %s of how it knows", async (_what, auth) => {
      const identity = { verify: () => Promise.resolve({ principal: user, auth } as VerifiedIdentity) };
      const { first, second, pdp } = guards({ identity });
      const root = await first.session({ token: "t", agent: { id: "root" } });
      const taken = await takenUp(second, await handedOn(root, ["executor"]));
      expect(await codeOf(taken, refund(1))).toBe("allow");
      expect(pdp.queries.at(-1)?.principal.attr.auth).toEqual(auth ?? {});
    });

    it("is within what that token is limited to", async () => {
      const { first, second } = guards();
      const limit = [{ ...REFUNDS, constraints: { "arguments.amount_cents": { maximum: 10 } } }];
      const token = tokenOf({ authorizationDetails: limit });
      const child = await handedOn(await first.session({ token, agent: { id: "root" } }), ["executor"], {
        authorization_details: [{ ...REFUNDS, constraints: {} }],
      });
      const taken = await takenUp(second, child);
      expect(await taken.check(refund(11))).toMatchObject({
        denial: { code: "delegation_invalid", refused_by: "subject" },
      });
      expect(await codeOf(taken, refund(10))).toBe("allow");
    });

    it("is within what the token of the user's agent is limited to", async () => {
      const { first, second, pdp } = guards();
      const authorizationDetails = [
        { ...REFUNDS, constraints: { "arguments.amount_cents": { maximum: 10 } } },
      ];
      const agent = tokenOf({ principal: { id: "root", roles: ["bot"] }, authorizationDetails });
      const root = await first.session({ token: tokenOf(), agent: { id: "root", token: agent } });
      const child = await handedOn(root, ["executor"], {
        authorization_details: [{ ...REFUNDS, constraints: {} }],
      });
      const taken = await takenUp(second, child);
      const before = pdp.queries.length;
      expect(await taken.check(refund(11))).toMatchObject({
        denial: { code: "delegation_invalid", refused_by: "root" },
      });
      expect(pdp.queries).toHaveLength(before);
      expect(await codeOf(taken, refund(10))).toBe("allow");
    });

    it("ends with the token of the user's agent, by its own age", async () => {
      const { first, second } = guards();
      const issuedAt = Date.now() - 60_000;
      const agent = tokenOf({ principal: { id: "root", roles: ["bot"] }, issuedAt, logins: ["bot-login"] });
      const root = await first.session({ token: tokenOf(), agent: { id: "root", token: agent } });
      const taken = await takenUp(second, await handedOn(root, ["executor"]));
      await first.revoke({ login: "bot-login" }, { issuedBefore: new Date(issuedAt) });
      expect(await codeOf(taken, refund(1))).toBe("allow");
      await first.revoke({ login: "bot-login" }, { issuedBefore: new Date(issuedAt + 1) });
      expect(await codeOf(taken, refund(1))).toBe("revoked");
    });

    it("ends with the login that the token stems from, and not with an older one's logout", async () => {
      const issuedAt = Date.now();
      const { taken, first } = await verified({ logins: ["login-1"], issuedAt });
      await first.revoke({ login: "login-2" });
      await first.revoke({ login: "login-1" }, { issuedBefore: new Date(issuedAt) });
      expect(await codeOf(taken, refund(1))).toBe("allow");
      await first.revoke({ login: "login-1" }, { issuedBefore: new Date(issuedAt + 1) });
      expect(await codeOf(taken, refund(1))).toBe("revoked");
    });

    it("keeps the roles that the token of the user's agent says", async () => {
      const { first, second, pdp } = guards({ agents: "principal" });
      const agent = tokenOf({ principal: { id: "root", roles: ["untrusted"], attr: { tier: 3 } } });
      const root = await first.session({ token: tokenOf(), agent: { id: "root", token: agent } });
      const child = await handedOn(root, ["executor"]);
      const taken = await takenUp(second, child);
      const before = pdp.queries.length;
      await taken.check(refund(1));
      expect(pdp.queries.slice(before).find(({ principal }) => principal.id === "root")).toMatchObject({
        principal: { roles: ["untrusted", "agent"], attr: { tier: 3 } },
      });
    });
  });
});

describe("a delegation that proves nothing opens nothing:", () => {
  let pdp: StubPdp;
  let audit: AuditRecorder;
  let guard: Guard;
  let good: string;
  let signed: Signed;
  beforeEach(async () => {
    const all = guards();
    const child = await handedOn(await open(all.first), ["executor", "helper"], { expiresIn: 600 });
    good = await child.delegationToken();
    signed = JSON.parse(Buffer.from(good.split(".")[1] ?? "", "base64url").toString()) as Signed;
    ({ second: guard, pdp, audit } = guards());
  });

  /** What was signed, for a test to change. */
  interface Signed {
    aud: unknown;
    exp: number;
    iss: string;
    delegation: {
      [name: string]: unknown;
      links: Record<string, unknown>[];
      principal: unknown;
      root: unknown;
    };
  }
  const header = { typ: "hopguard-delegation+jwt" };
  const link = (index: number, change: Record<string, unknown>) => (given: Signed) => {
    Object.assign(given.delegation.links[index] ?? {}, change);
  };
  const all = (change: Record<string, unknown>) => (given: Signed) => {
    Object.assign(given.delegation, change);
  };
  const wider = [{ ...REFUNDS, constraints: { "arguments.amount_cents": { maximum: 5001 } } }];

  async function expectRefused(token: string): Promise<void> {
    const denial = await refusal(guard.session({ delegation: token, agent: { id: "helper" } }));
    const { decision_id: _id, ...told } = denial;
    expect(told).toEqual({
      decision: "deny",
      code: "delegation_invalid",
      reason: "The delegation behind this call is not valid.",
      retryable: false,
      hop: { kind: "session", name: "unknown", action: "open" },
    });
    expect(pdp.queries).toEqual([]);
    expect(audit.records).toMatchObject([
      {
        effect: "deny",
        code: "delegation_invalid",
        subject: { id: "unknown" },
        agent: { id: "unknown" },
        chain: [],
        detail: expect.stringMatching(/\w{4}/) as string,
      },
    ]);
    expect(JSON.stringify(audit.records)).not.toContain(token);
  }

  it("but a good one opens a session", async () => {
    expect((await guard.session({ delegation: good, agent: { id: "helper" } })).agent).toBe("helper");
    const { task: _, ...taskless } = signed.delegation;
    const again = await signer.sign({ ...signed, delegation: taskless }, header);
    expect(await guard.session({ delegation: again, agent: { id: "helper" } })).toMatchObject({
      agent: "helper",
      task: undefined,
    });
  });

  it.each<[string, (signed: Signed) => void, RegExp]>([
    ["a second link that is wider", link(1, { grant: wider }), /the maximum is 5000/],
    [
      "a second link of another server",
      link(1, { grant: [{ type: "mcp_vault", actions: ["initialize"] }] }),
      /was not granted/,
    ],
    ["a link of everything", link(0, { grant: [{ type: "mcp_payments", actions: ["*"] }] }), /is no action/],
    ["a link without a grant", link(1, { grant: undefined }), /grant/],
    ["a link that goes deeper than the one above", link(1, { max_depth: 4 }), /maxDepth: 3/],
    ["a link that goes deeper than the guard", link(0, { max_depth: 100 }), /maxDepth: 3/],
    ["more links than the first allows", link(0, { max_depth: 1 }), /may have 1 links/],
    ["a depth of none", link(0, { max_depth: 0 }), /max_depth/],
    ["a depth that is no whole number", link(0, { max_depth: 2.5 }), /max_depth/],
    [
      "a link by an agent that may not delegate",
      link(0, { may_delegate: false }),
      /executor may not delegate/,
    ],
    ["a link that does not say whether it may", link(0, { may_delegate: undefined }), /may_delegate/],
    ["a link that says it in text", link(0, { may_delegate: "true" }), /may_delegate/],
    [
      "a link that outlives the one above",
      (given) => {
        given.exp = seconds(10_000);
        link(1, { expires_at: Date.now() + 9_000_000 })(given);
      },
      /outlive/,
    ],
    ["a link that never ends", link(1, { expires_at: undefined }), /expires_at/],
    ["a link that ends in no number", link(1, { expires_at: 1e400 }), /expires_at/],
    ["a circle", link(0, { agent: { id: "helper", roles: [], attr: {} } }), /helper is part of the chain/],
    [
      "a circle to the user's agent",
      link(0, { agent: { id: "root", roles: [], attr: {} } }),
      /root is part of the chain/,
    ],
    ["an agent that is the subject", link(0, { agent: { id: "subject", roles: [], attr: {} } }), /agent\.id/],
    ["an agent without a name", link(0, { agent: {} }), /agent\.id/],
    [
      "an agent with a name of the guard's own",
      link(0, { agent: { id: "executor", attr: { delegation: {} } } }),
      /guard's own/,
    ],
    ["a link with a member that nobody knows", link(1, { scope: "all" }), /scope/],
    ["a link without an id, which could not be revoked", link(1, { id: "" }), /links/],
    ["no links", (given) => void (given.delegation.links = []), /links|nothing was delegated/],
    [
      "one link too many",
      (given) => void given.delegation.links.push(given.delegation.links[1] ?? {}),
      /part of the chain/,
    ],
    [
      "the last link left out",
      (given) => void given.delegation.links.pop(),
      /the token is for helper, and the delegation for executor/,
    ],
    ["links that are no list", all({ links: {} }), /links/],
    ["a limit of the user's token that is narrower", all({ authorization_details: [] }), /was not granted/],
    ["a limit that nobody can read", all({ authorization_details: {} }), /authorization_details/],
    ["a user without roles", all({ principal: { id: "u", roles: [] } }), /principal\.roles/],
    [
      "a user with a name of the guard's own",
      all({ principal: { id: "u", roles: ["clerk"], attr: { auth: {} } } }),
      /guard's own/,
    ],
    ["no user", all({ principal: undefined }), /principal/],
    ["no word on how the user is known", all({ auth: undefined }), /auth/],
    ["no session", all({ session: undefined }), /session/],
    ["a session that began at no time", all({ started_at: "yesterday" }), /started_at/],
    ["a member that nobody knows", all({ admin: true }), /admin/],
    ["an agent of the user's without a name", all({ root: {} }), /agent\.id/],
    ["another agent", (given) => void (given.aud = "executor"), /the token is for executor/],
    ["no agent", (given) => void (given.aud = ""), /audience/],
    ["several agents", (given) => void (given.aud = ["helper", "executor"]), /audience/],
    ["another issuer", (given) => void (given.iss = "https://other.example"), /iss/],
    ["an end that is past", (given) => void (given.exp = seconds(-1)), /exp/],
    ["no delegation", (given) => Reflect.deleteProperty(given, "delegation") && undefined, /no delegation/],
    [
      "a list of delegations",
      (given) => void (given.delegation = [given.delegation] as never),
      /no delegation/,
    ],
  ])("%s", async (_, change, why) => {
    change(signed);
    await expectRefused(await signer.sign(signed, header));
    expect(audit.records[0]?.detail).toMatch(why);
  });

  it.each<[string, () => string | Promise<string>]>([
    ["signed by another key", () => signer.sign(signed, { ...header, kid: "foreign-1" })],
    [
      "signed by another key under the name of ours",
      () => signer.signRaw({ ...header, alg: "ES256", kid: "es-1" }, signed, "foreign-1"),
    ],
    [
      "signed by nobody",
      () =>
        `${Buffer.from(JSON.stringify({ ...header, alg: "none" })).toString("base64url")}.${good.split(".")[1] ?? ""}.`,
    ],
    ["signed with the public key for a secret", () => signer.signWithPublicKey(signed, "es-1" satisfies Kid)],
    ["of another type", () => signer.sign(signed, { typ: "JWT" })],
    ["of no type", () => signer.sign(signed)],
    [
      "changed after it was signed",
      () => {
        const [head = "", , signature = ""] = good.split(".");
        signed.delegation.session = "another";
        return [head, Buffer.from(JSON.stringify(signed)).toString("base64url"), signature].join(".");
      },
    ],
    ["cut off", () => good.slice(0, -10)],
    ["text", () => "a.b.c"],
    ["a user's own claims", () => tokenOf()],
    ["very long", () => `${good}${"A".repeat(100_000)}`],
  ])("one that is %s", async (_, token) => {
    await expectRefused(await token());
  });

  it("one that its guard does not answer for in time", async () => {
    const verify = () => new Promise<never>(() => undefined);
    const sign = (): Promise<string> => Promise.resolve("");
    const slow = createGuard({ pdp, audit, timeoutMs: 50, delegation: { tokens: { sign, verify } } });
    expect((await refusal(slow.session({ delegation: good, agent: { id: "helper" } }))).code).toBe(
      "delegation_invalid",
    );
  });

  it("one that is deeper, or no narrower, than this guard's own rules allow", async () => {
    for (const rules of [{ maxDepth: 1 }, { maxDepth: 2 }, { strict: true }]) {
      const tokens = delegationTokens(tokenOptions);
      const stricter = createGuard({ pdp, audit, delegation: { tokens, ...rules } });
      expect((await refusal(stricter.session({ delegation: good, agent: { id: "helper" } }))).code).toBe(
        "delegation_invalid",
      );
    }
    expect(pdp.queries).toEqual([]);
  });
});

describe("an error of the developer's", () => {
  it("is a guard without keys, for a delegation and for its token", async () => {
    const guard = createGuard({
      pdp: stubPdp({ rules: [() => true], plan: () => "always" }),
      audit: () => undefined,
    });
    await expect(guard.session({ delegation: "x", agent: { id: "executor" } })).rejects.toThrow(
      /delegation\.tokens/,
    );
    await expect(guard.session({ delegation: "x", agent: { id: "executor" } })).rejects.toThrow(
      ConfigurationError,
    );
    const child = await handedOn(await open(guard), ["executor"]);
    await expect(child.delegationToken()).rejects.toThrow(/delegation\.tokens/);
  });

  it("is a token of what was not delegated", async () => {
    const { first } = guards();
    await expect((await open(first)).delegationToken()).rejects.toThrow(/was not delegated/);
  });

  it.each([{ principal: user }, { token: tokenOf() }, { task: { id: "T-2" } }, { id: "another" }])(
    "is a delegation beside %j",
    async (more) => {
      const { first } = guards();
      await expect(
        first.session({ delegation: "x", agent: { id: "executor" }, ...more } as never),
      ).rejects.toThrow(/the delegation says that already/);
    },
  );

  it("is taken up by an agent that it was not handed to, or that says its own roles", async () => {
    const { first } = guards();
    const child = await handedOn(await open(first), ["executor"]);
    const token = await child.delegationToken();
    expect((await refusal(first.session({ delegation: token, agent: { id: "helper" } }))).code).toBe(
      "delegation_invalid",
    );
    for (const more of [{ roles: ["admin"] }, { attr: { x: 1 } }, { token: "x" }]) {
      const agent = { id: "executor", ...more };
      await expect(first.session({ delegation: token, agent })).rejects.toThrow(/session\.agent/);
    }
    await expect(first.session({ delegation: token } as never)).rejects.toThrow(/agent/);
  });

  it.each(["", 5, null, {}])("is %j for a delegation", async (token) => {
    const { first } = guards();
    await expect(first.session({ delegation: token, agent: { id: "executor" } } as never)).rejects.toThrow(
      ConfigurationError,
    );
  });
});

const binary = redisBinary() ?? "";

describe.skipIf(binary === "")("in processes of their own, with state in Redis", () => {
  it(
    "a chain goes on with one session, one budget, one chain, and ends everywhere",
    { timeout: 60_000 },
    async () => {
      const server = await startRedis(binary);
      onTestFinished(() => server.stop());
      const namespace = randomUUID();
      const state = redisState({ url: server.url, namespace, timeoutMs: 10_000 });
      onTestFinished(() => state.close());
      const options = { redis: server.url, namespace, pdp: desk.pdpUrl, tokens: tokenOptions };
      const [one, two] = await Promise.all([startDelegationWorker(options), startDelegationWorker(options)]);
      onTestFinished(async () => {
        await Promise.all([one.close(), two.close()]);
      });
      const guard = desk.guardWith({
        state,
        delegation: { tokens: delegationTokens(tokenOptions) },
        usage: {},
      });

      const details = [{ type: "tool_counted", actions: ["tools/call/*"] }];
      const root = await open(guard);
      const child = await handedOn(root, ["executor"], { authorization_details: details });
      const taken = await one.follow({
        order: "take",
        token: await child.delegationToken(),
        agent: "executor",
      });
      expect(taken).toEqual({ session: root.id, agent: "executor", delegation: child.delegation });
      const handOn: DelegateOptions = { to: "helper", authorization_details: details };
      const { token = "" } = await one.follow({ order: "delegate", options: handOn });
      await two.follow({ order: "take", token, agent: "helper" });

      const hop = { kind: "tool_counted", action: "tools/call/count" };
      const check = { order: "check", hop, times: 10 } as const;
      const codes = await Promise.all([
        Promise.all(Array.from({ length: 10 }, () => codeOf(root, hop))),
        one.follow(check).then(({ codes = [] }) => codes),
        two.follow(check).then(({ codes = [] }) => codes),
      ]);
      // Two of the ten calls were the delegations.
      expect(codes.flat().filter((code) => code === "allow")).toHaveLength(8);
      expect(codes.flat()).toHaveLength(30);
      const { record } = await two.follow({ ...check, times: 1 });
      expect(record).toMatchObject({
        session: root.id,
        chain: ["root", "executor"],
        agent: { id: "helper" },
        step: 33,
      });

      await two.follow({ order: "end" });
      expect((await two.follow({ ...check, times: 1 })).codes).toEqual(["revoked"]);
      expect((await one.follow({ ...check, times: 1 })).codes).toEqual(["policy_denied"]);
      await guard.revoke({ delegation: String(child.delegation) });
      expect((await one.follow({ ...check, times: 1 })).codes).toEqual(["revoked"]);
      await expect(one.follow({ order: "delegate", options: handOn })).rejects.toThrow(/withdrawn/);
      expect(await codeOf(root, hop)).toBe("policy_denied");
    },
  );
});
