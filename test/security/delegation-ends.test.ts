import { setTimeout as sleep } from "node:timers/promises";
import {
  findDenial,
  type Denial,
  type Guard,
  type GuardOptions,
  type RevocationTarget,
  type Session,
} from "hopguard";
import { guardOpenAI } from "hopguard/openai";
import { stubPdp } from "hopguard/testing";
import { OpenAI } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  codeOf,
  delegation,
  DELEGATION_POLICIES,
  handedOn,
  refund,
  refusal,
  tokenOf,
  trusting,
} from "../support/delegations";
import { openDesk, type Desk } from "../support/desk";

let desk: Desk;
beforeAll(async () => {
  desk = await openDesk({
    policies: DELEGATION_POLICIES,
    // A minute's stream, if nobody ends it.
    provider: { turn: () => ({ text: "a".repeat(600) }), deltas: 600, deltaDelayMs: 100 },
  });
});
afterAll(() => desk.close());

/** A guard whose clock the test turns. */
function timed(options: Partial<GuardOptions> = {}) {
  const time = { now: Date.now() };
  const guard = desk.guardWith({ identity: trusting, clock: () => new Date(time.now), ...options });
  return { guard, pass: (seconds: number) => void (time.now += seconds * 1000), time };
}
const open = (guard: Guard, name = "root"): Promise<Session> =>
  guard.session({
    principal: { id: `user of ${name}`, roles: ["clerk"] },
    agent: { id: name },
    task: { id: `task of ${name}` },
  });
const codesOf = (...sessions: readonly Session[]): Promise<readonly string[]> =>
  Promise.all(sessions.map((session) => codeOf(session, refund(1))));

describe("a delegation ends", () => {
  it.each<[string, (chain: readonly Session[]) => RevocationTarget, readonly number[]]>([
    ["itself", ([, , two]) => ({ delegation: String(two?.delegation) }), [2, 3]],
    ["the one above it", ([, one]) => ({ delegation: String(one?.delegation) }), [1, 2, 3]],
    [
      "the one below it, which leaves it alone",
      ([, , , three]) => ({ delegation: String(three?.delegation) }),
      [3],
    ],
    ["its session", ([root]) => ({ session: String(root?.id) }), [0, 1, 2, 3]],
    ["its task", ([root]) => ({ task: String(root?.task) }), [0, 1, 2, 3]],
    ["the user", ([root]) => ({ principal: `user of ${root?.agent}` }), [0, 1, 2, 3]],
    ["the user's agent", ([root]) => ({ agent: String(root?.agent) }), [0, 1, 2, 3]],
    ["an agent on the way", () => ({ agent: "helper" }), [2, 3]],
  ])("with %s", async (name, target, ended) => {
    const { guard } = timed();
    const root = await open(guard, `root ${name}`);
    const one = await handedOn(root, ["executor"]);
    const two = await handedOn(one, ["helper"]);
    const chain = [root, one, two, await handedOn(two, ["third"])];
    expect(await codesOf(...chain)).toEqual(["allow", "allow", "allow", "allow"]);
    await guard.revoke(target(chain));
    expect(await codesOf(...chain)).toEqual(
      chain.map((_, index) => (ended.includes(index) ? "revoked" : "allow")),
    );
    for (const session of chain.filter((_, index) => ended.includes(index))) {
      await expect(session.visible("payments", ["refund_issue"])).rejects.toMatchObject({
        denial: { code: "revoked" },
      });
      expect((await refusal(session.delegate(delegation({ to: "fourth" })))).code).toBe("revoked");
    }
    await guard.restore(target(chain));
    expect(await codesOf(...chain)).toEqual(["allow", "allow", "allow", "allow"]);
  });

  it("and cannot be had again by delegating to an agent that was revoked", async () => {
    const { guard } = timed();
    const root = await open(guard);
    await guard.revoke({ agent: "executor" });
    expect((await refusal(root.delegate(delegation()))).code).toBe("revoked");
    const globs = [{ type: "mcp_payments", actions: ["tools/call/*"] }];
    // Nothing is asked about beforehand here; what the agent then does is denied.
    const child = await root.delegate(delegation({ authorization_details: globs }));
    expect(await codesOf(root, child)).toEqual(["allow", "revoked"]);
  });

  it("with the end of its session: those below it end, and those above go on", async () => {
    const { guard } = timed();
    const root = await open(guard);
    const one = await handedOn(root, ["executor"]);
    const [two, other] = [await handedOn(one, ["helper"]), await handedOn(root, ["helper"])];
    const three = await handedOn(two, ["third"]);
    await two.end();
    expect(await codesOf(root, one, two, three, other)).toEqual([
      "allow",
      "allow",
      "revoked",
      "revoked",
      "allow",
    ]);
    await one.end();
    expect(await codesOf(root, one, other)).toEqual(["allow", "revoked", "allow"]);
    await root.end();
    expect(await codesOf(root, other)).toEqual(["revoked", "revoked"]);
  });

  it("in the middle of being handed on", async () => {
    const pdp = stubPdp({ rules: [() => true], plan: () => "always" });
    const { guard } = timed({ pdp });
    for (const target of ["session", "delegation", "principal", "task", "agent"] as const) {
      const root = await open(guard, `agent_${target}`);
      const one = await handedOn(root, ["executor"]);
      const what = {
        session: { session: root.id },
        delegation: { delegation: String(one.delegation) },
        principal: { principal: `user of agent_${target}` },
        task: { task: String(root.task) },
        agent: { agent: root.agent },
      }[target];
      let isAsked = false;
      pdp.interrupt(async ({ actions }) => {
        if (actions.includes("delegate")) {
          isAsked = true;
          await guard.revoke(what);
        }
        return {
          effects: new Map(actions.map((action) => [action, "allow" as const])),
          matchedPolicies: new Map(),
          outputs: [],
          validationErrors: [],
        };
      });
      expect((await refusal(one.delegate(delegation({ to: "helper" })))).code).toBe("revoked");
      expect(isAsked).toBe(true);
      pdp.interrupt(undefined);
    }
  });

  it("of the agent that receives it, revoked in the middle: it can do nothing", async () => {
    const pdp = stubPdp({ rules: [() => true], plan: () => "always" });
    const { guard } = timed({ pdp });
    const root = await open(guard);
    pdp.interrupt(async ({ actions }) => {
      if (actions.includes("delegate")) await guard.revoke({ agent: "executor" });
      return {
        effects: new Map(actions.map((action) => [action, "allow" as const])),
        matchedPolicies: new Map(),
        outputs: [],
        validationErrors: [],
      };
    });
    const child = await root.delegate(delegation());
    pdp.interrupt(undefined);
    expect(await codesOf(root, child)).toEqual(["allow", "revoked"]);
  });
});

describe("a delegation expires", () => {
  it("when it was said to, with all below it, whatever they were promised", async () => {
    const { guard, pass } = timed();
    const root = await open(guard);
    const one = await handedOn(root, ["executor"], { expiresIn: 100 });
    const two = await handedOn(one, ["helper"]);
    const three = await handedOn(two, ["third"], { expiresIn: 50 });
    pass(49.9);
    expect(await codesOf(root, one, two, three)).toEqual(["allow", "allow", "allow", "allow"]);
    pass(0.1);
    expect(await three.check(refund(1))).toMatchObject({
      denial: { code: "delegation_invalid", refused_by: "third", reason: "The delegation has expired." },
    });
    expect(await codesOf(root, one, two)).toEqual(["allow", "allow", "allow"]);
    pass(50);
    for (const session of [one, two, three])
      expect(await session.check(refund(1))).toMatchObject({
        denial: { code: "delegation_invalid", refused_by: "executor" },
      });
    expect(await codesOf(root)).toEqual(["allow"]);
    expect((await refusal(two.delegate(delegation({ to: "fourth" })))).code).toBe("delegation_invalid");
    await expect(one.visible("payments", ["refund_issue"])).rejects.toMatchObject({
      denial: { code: "delegation_invalid" },
    });
  });

  it("in an hour, where nobody says when", async () => {
    const { guard, pass } = timed();
    const child = await handedOn(await open(guard), ["executor"]);
    pass(3599);
    expect(await codesOf(child)).toEqual(["allow"]);
    pass(1);
    expect(await codesOf(child)).toEqual(["delegation_invalid"]);
  });

  it("with the user's own token, and goes on with a renewed one", async () => {
    const { guard, pass, time } = timed();
    let expiresAt = time.now + 60_000;
    const root = await guard.session({ token: () => tokenOf({ expiresAt }), agent: { id: "root" } });
    const child = await handedOn(root, ["executor", "helper"]);
    expect(await codesOf(root, child)).toEqual(["allow", "allow"]);
    pass(60);
    expect(await codesOf(root, child)).toEqual(["unauthenticated", "unauthenticated"]);
    expect((await refusal(child.delegate(delegation({ to: "third" })))).code).toBe("unauthenticated");
    expiresAt = time.now + 60_000;
    expect(await codesOf(root, child)).toEqual(["allow", "allow"]);
  });

  it("with the token of the user's agent", async () => {
    const { guard, pass, time } = timed();
    const agent = tokenOf({ principal: { id: "root", roles: ["planner"] }, expiresAt: time.now + 60_000 });
    const root = await guard.session({ token: tokenOf(), agent: { id: "root", token: agent } });
    const child = await handedOn(root, ["executor"]);
    pass(59);
    expect(await codesOf(child)).toEqual(["allow"]);
    pass(1);
    expect(await codesOf(child)).toEqual(["unauthenticated"]);
  });

  it("and is narrowed at once when the user's renewed token is limited", async () => {
    let authorizationDetails = [{ type: "mcp_payments", actions: ["tools/call/*"] }];
    const { guard } = timed();
    const root = await guard.session({
      token: () => tokenOf({ authorizationDetails }),
      agent: { id: "root" },
    });
    const child = await handedOn(root, ["executor"]);
    expect(await codesOf(child)).toEqual(["allow"]);
    authorizationDetails = [{ type: "mcp_payments", actions: ["tools/call/balance_get"] }];
    expect(await child.check(refund(1))).toMatchObject({
      denial: { code: "delegation_invalid", refused_by: "subject" },
    });
  });
});

describe("a call in flight", () => {
  it("ends when a delegation above it is revoked or expires, and no other does", async () => {
    const { guard, pass } = timed();
    const root = await open(guard);
    const revoked = await handedOn(root, ["executor"], { expiresIn: 300 });
    const below = await handedOn(revoked, ["helper"]);
    const expiring = await handedOn(root, ["executor"], { expiresIn: 200 });
    const other = await handedOn(root, ["helper"]);
    const ended: string[] = [];
    const stops = Object.entries({ root, revoked, below, expiring, other }).map(([name, session]) =>
      session.watch(refund(1), ({ code, refused_by }: Denial) =>
        ended.push(`${name}: ${code} ${refused_by ?? ""}`),
      ),
    );
    await guard.revoke({ delegation: String(revoked.delegation) });
    pass(200);
    await sleep(1000);
    for (const stop of stops) stop();
    expect(ended.toSorted()).toEqual([
      "below: revoked ",
      "expiring: delegation_invalid executor",
      "revoked: revoked ",
    ]);
  });

  it("is a model's stream, too: it breaks off with the denial, and the provider is hung up on", async () => {
    const { guard } = timed();
    const root = await open(guard);
    const models = { authorization_details: [{ type: "llm_model", actions: ["completion"] }] };
    const child = await handedOn(root, ["executor"], models);
    const client = guardOpenAI(new OpenAI({ apiKey: "x", baseURL: desk.provider.openaiBaseURL }), child);
    const stream = await client.chat.completions.create({ model: "gpt-4o", messages: [], stream: true });
    let chunks = 0;
    const read = (async () => {
      for await (const _ of stream)
        if (++chunks === 3) await guard.revoke({ delegation: String(child.delegation) });
    })();
    const denial = findDenial(await read.catch((error: unknown) => error));
    expect(denial).toMatchObject({ code: "revoked", hop: { kind: "llm_model", name: "gpt-4o" } });
    expect(chunks).toBeLessThan(60);
    expect(await codeOf(root, { kind: "llm_model", id: "gpt-4o", action: "completion" })).toBe("allow");
  });
});
