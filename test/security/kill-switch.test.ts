import { setTimeout as sleep } from "node:timers/promises";
import {
  createGuard,
  memoryState,
  PdpError,
  type Denial,
  type Guard,
  type GuardOptions,
  type Hop,
  type Session,
} from "hopguard";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it } from "vitest";
import { auditRecorder } from "../support/audit-recorder";

const hop: Hop = { kind: "mcp_payments", action: "tools/list" };
const allowing = () => stubPdp({ rules: [() => true] });

const openWith = (guard: Guard, task: string | undefined = "T-1"): Promise<Session> =>
  guard.session({
    principal: { id: "u-1", roles: ["clerk"] },
    agent: { id: "bot" },
    ...(task !== undefined && { task: { id: task } }),
  });
const guardWith = (options: Partial<GuardOptions> = {}): Guard =>
  createGuard({ pdp: allowing(), audit: () => undefined, ...options });

async function codeOf(session: Session): Promise<string> {
  const decision = await session.check(hop);
  return decision.effect === "allow" ? "allow" : decision.denial.code;
}

describe("authority that was withdrawn", () => {
  it("is listed with who and why, the newest first, until it is restored", async () => {
    let now = 0;
    const guard = guardWith({ clock: () => new Date(now++ * 1000) });
    await guard.revoke({ agent: "bot" }, { reason: "odd refunds", author: "ops" });
    await guard.revoke({ principal: "u-1" });
    expect(await guard.revocations()).toMatchObject([
      { target: { principal: "u-1" } },
      { target: { agent: "bot" }, reason: "odd refunds", author: "ops" },
    ]);
    await guard.restore({ agent: "bot" });
    await guard.restore({ principal: "u-1" });
    expect(await guard.revocations()).toEqual([]);
    expect(await codeOf(await openWith(guard))).toBe("allow");
  });

  it("with the end of a session denies its next hop, and no other session's", async () => {
    const guard = guardWith();
    const [ended, other] = [await openWith(guard), await openWith(guard)];
    await ended.end();
    expect(await codeOf(ended)).toBe("revoked");
    await expect(ended.visible("payments", ["x"])).rejects.toMatchObject({ denial: { code: "revoked" } });
    expect(await codeOf(other)).toBe("allow");
  });
});

describe("tasks that must be registered", () => {
  it("are alive from registration to their end, or until they expire", async () => {
    const guard = guardWith({ tasks: "registered" });
    const session = await openWith(guard);
    expect(await codeOf(session)).toBe("revoked");
    await guard.registerTask("T-1");
    expect(await codeOf(session)).toBe("allow");
    await guard.endTask("T-1");
    expect(await codeOf(session)).toBe("revoked");
    await guard.registerTask("T-1", { expiresInMs: 30 });
    expect(await codeOf(session)).toBe("allow");
    await sleep(50);
    expect(await codeOf(session)).toBe("revoked");
  });

  it("deny when the state was lost", async () => {
    const before = guardWith({ tasks: "registered" });
    await before.registerTask("T-1");
    const after = guardWith({ tasks: "registered", state: memoryState() });
    expect(await codeOf(await openWith(after))).toBe("revoked");
  });

  it("are needed for every session, and bad ones are refused", async () => {
    const guard = guardWith({ tasks: "registered" });
    await expect(
      guard.session({ principal: { id: "u-1", roles: ["clerk"] }, agent: { id: "bot" } }),
    ).rejects.toThrow(/session\.task/);
    await expect(guard.registerTask("")).rejects.toThrow(/registerTask\.id/);
    await expect(guard.registerTask("T", { expiresInMs: 0 })).rejects.toThrow(/registerTask\.expiresInMs/);
  });
});

describe("a call in flight", () => {
  const watched = async (options: Partial<GuardOptions>) => {
    const audit = auditRecorder();
    const guard = guardWith({ audit, ...options });
    const session = await openWith(guard);
    const ended: Denial[] = [];
    const stop = session.watch(hop, (denial) => ended.push(denial));
    return { audit, guard, session, ended, stop };
  };

  it("ends within a second of a revocation, once, and on record", async () => {
    const { audit, guard, ended } = await watched({});
    await sleep(500);
    expect(ended).toEqual([]);
    await guard.revoke({ task: "T-1" });
    await sleep(950);
    expect(ended.map(({ code }) => code)).toEqual(["revoked"]);
    await sleep(500);
    expect(ended).toHaveLength(1);
    expect(audit.records).toMatchObject([{ effect: "deny", code: "revoked", flags: ["recheck"] }]);
  });

  it("ends when the policy says otherwise, which is asked as often as the option says", async () => {
    const pdp = allowing();
    const { ended, stop } = await watched({ pdp, recheckEveryMs: 100 });
    await sleep(900);
    expect(pdp.queries.length).toBeGreaterThanOrEqual(1);
    expect(ended).toEqual([]);
    pdp.interrupt(({ actions }) =>
      Promise.resolve({
        effects: new Map(actions.map((action) => [action, "deny"] as const)),
        matchedPolicies: new Map(),
        outputs: [],
        validationErrors: [],
      }),
    );
    await sleep(900);
    expect(ended.map(({ code }) => code)).toEqual(["policy_denied"]);
    stop();
  });

  it("ends when nobody can say whether it may go on, and not when it is over", async () => {
    const state = memoryState();
    let isBroken = false;
    const find: typeof state.revocations.find = (authority) => {
      if (isBroken) throw new Error("away");
      return state.revocations.find(authority);
    };
    const broken = { ...state, revocations: { ...state.revocations, find } };
    const [first, second] = [await watched({ state: broken }), await watched({ state: broken })];
    second.stop();
    isBroken = true;
    await sleep(950);
    expect(first.ended.map(({ code }) => code)).toEqual(["state_unavailable"]);
    expect(second.ended).toEqual([]);
  });
});

describe("while the PDP is unreachable", () => {
  const away = () => Promise.reject(new PdpError("pdp_unavailable", "nobody there"));
  const open = async (options: Partial<GuardOptions>) => {
    const pdp = allowing();
    const audit = auditRecorder();
    const guard = guardWith({ pdp, audit, ...options });
    return { pdp, audit, guard, session: await openWith(guard) };
  };

  it("nothing is allowed, unless the operator has listed it", async () => {
    const { pdp, session } = await open({});
    pdp.interrupt(away);
    expect(await codeOf(session)).toBe("pdp_unavailable");
  });

  it("what is listed passes, marked and on record as degraded, and nothing else", async () => {
    const { pdp, audit, session } = await open({
      degraded: { allow: [{ kind: "mcp_payments", actions: ["tools/list"] }] },
    });
    expect(await session.check(hop)).not.toHaveProperty("degraded");
    pdp.interrupt(away);
    expect(await session.check(hop)).toMatchObject({ effect: "allow", degraded: true });
    expect(audit.records.at(-1)).toMatchObject({ effect: "allow", flags: ["degraded"] });
    const call = await session.check({ kind: "mcp_payments", action: "tools/call/refund_issue" });
    expect(call).toMatchObject({ denial: { code: "pdp_unavailable" } });
    expect((await session.check({ kind: "mcp_other", action: "tools/list" })).effect).toBe("deny");
  });

  it("what is listed is denied by everything else that can deny", async () => {
    const { pdp, guard, session } = await open({
      degraded: { allow: [{ kind: "mcp_payments" }] },
      agents: "principal",
    });
    pdp.interrupt(() => Promise.reject(new PdpError("pdp_invalid_response", "lies")));
    expect(await codeOf(session)).toBe("pdp_invalid_response");
    // One of two questions is answered, and the answer is no.
    pdp.interrupt((query) =>
      query.principal.id === "bot"
        ? Promise.resolve({
            effects: new Map([["tools/list", "deny"]]),
            matchedPolicies: new Map(),
            outputs: [],
            validationErrors: [],
          })
        : away(),
    );
    expect(await codeOf(session)).toBe("policy_denied");
    pdp.interrupt(away);
    expect(await codeOf(session)).toBe("allow");
    await guard.revoke({ task: "T-1" });
    expect(await codeOf(session)).toBe("revoked");
  });

  it("what is listed passes for a limited time, which begins anew once the PDP has answered", async () => {
    const { pdp, session } = await open({ degraded: { allow: [{ kind: "mcp_payments" }], forMs: 50 } });
    pdp.interrupt(away);
    expect(await codeOf(session)).toBe("allow");
    await sleep(80);
    expect(await codeOf(session)).toBe("pdp_unavailable");
    pdp.interrupt(undefined);
    expect(await codeOf(session)).toBe("allow");
    pdp.interrupt(away);
    expect(await codeOf(session)).toBe("allow");
  });

  it("globs are refused in the list", () => {
    expect(() => guardWith({ degraded: { allow: [{ kind: "mcp_*" }] } })).toThrow(/degraded\.allow\.0\.kind/);
    expect(() => guardWith({ degraded: { allow: [{ kind: "mcp_a", actions: ["tools/*"] }] } })).toThrow(
      /actions/,
    );
  });
});
