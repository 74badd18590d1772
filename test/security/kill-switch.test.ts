import { setTimeout as sleep } from "node:timers/promises";
import {
  ConfigurationError,
  createGuard,
  memoryState,
  PdpError,
  type AuditRecord,
  type Denial,
  type Guard,
  type GuardOptions,
  type Hop,
  type IdentityVerifier,
  type Session,
} from "hopguard";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it } from "vitest";
import { auditRecorder } from "../support/audit-recorder";

const hop: Hop = { kind: "mcp_payments", action: "tools/list" };
const allowing = () => stubPdp({ rules: [() => true] });

const openWith = (guard: Guard): Promise<Session> =>
  guard.session({
    principal: { id: "u-1", roles: ["clerk"] },
    agent: { id: "bot" },
    task: { id: "T-1" },
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

describe("authority that was issued at no time, as a verifier of one's own may say", () => {
  it.each([
    ["of a claim that is not there", NaN],
    ["never", Infinity],
    ["a date", "2026-11-21T12:00:00Z" as never],
  ])("is none, because no revocation would reach it: %s", async (_what, issuedAt) => {
    const pdp = allowing();
    const audit = auditRecorder();
    let time: number | undefined;
    const identity: IdentityVerifier = {
      verify: (id) =>
        Promise.resolve({
          principal: { id, roles: ["clerk"] },
          auth: { method: "own", verified: true },
          ...(time !== undefined && { issuedAt: time }),
        }),
    };
    const guard = guardWith({ pdp, audit, identity });
    const session = await guard.session({ token: "u-1", agent: { id: "bot", token: "bot" } });
    time = issuedAt;
    expect(await codeOf(session)).toBe("unauthenticated");
    expect(pdp.queries).toEqual([]);
    expect(audit.records.at(-1)?.detail).toContain("issuedAt");
    time = undefined;
    await guard.revoke({ principal: "u-1" });
    expect(await codeOf(session)).toBe("revoked");
  });
});

describe("authority that is withdrawn while the decision is recorded", () => {
  it.each<[string, (guard: Guard, session: Session) => Promise<void>]>([
    ["by a revocation", (guard) => guard.revoke({ task: "T-1" })],
    ["with the end of the session", (_guard, session) => session.end()],
  ])("denies %s, on record", async (_what, withdraw) => {
    const records: AuditRecord[] = [];
    const audit = async (record: AuditRecord): Promise<void> => {
      records.push(record);
      await sleep(100);
    };
    const guard = guardWith({ audit });
    const session = await openWith(guard);
    const code = codeOf(session);
    await expect.poll(() => records.length).toBe(1);
    await withdraw(guard, session);
    expect(await code).toBe("revoked");
    expect(records.map(({ effect }) => effect)).toEqual(["allow", "deny"]);
    expect(new Set(records.map(({ decision_id }) => decision_id)).size).toBe(1);
  });
});

describe("a session that has ended", () => {
  const ofOneId = async (guard: Guard) => {
    const open = () =>
      guard.session({ id: "s-1", principal: { id: "u-1", roles: ["clerk"] }, agent: { id: "bot" } });
    return [await open(), await open()] as const;
  };

  it("stays so, though nobody remembers it any more", async () => {
    const guard = guardWith();
    const [ended] = await ofOneId(guard);
    await ended.end();
    await guard.restore({ session: "s-1" });
    expect(await codeOf(ended)).toBe("revoked");
    await expect(ended.visible("payments", ["x"])).rejects.toMatchObject({ denial: { code: "revoked" } });
  });

  it("has ended here, though the state did not hear of it", async () => {
    const state = memoryState();
    const revoke = () => Promise.reject(new Error("away"));
    const deaf = { ...state, revocations: { ...state.revocations, revoke }, isRemote: true };
    const pdp = allowing();
    const [ended] = await ofOneId(guardWith({ state: deaf, pdp }));
    await expect(ended.end()).rejects.toThrow("away");
    expect(await codeOf(ended)).toBe("revoked");
    expect(pdp.queries).toEqual([]);
  });

  it("has ended wherever it goes on, whatever time the records are given", async () => {
    const [ended, same] = await ofOneId(guardWith({ clock: () => new Date(0) }));
    await ended.end();
    expect(await codeOf(same)).toBe("revoked");
  });
});

describe("a target that nothing can be named like", () => {
  it.each(["T-1 ", " T-1", "T-1\n", "T\u0000", "", "x".repeat(257), "\ud800"])(
    "is refused, and not revoked to no effect: %j",
    async (id) => {
      const guard = guardWith();
      for (const kind of ["task", "session", "agent", "principal"]) {
        await expect(guard.revoke({ [kind]: id })).rejects.toThrow(ConfigurationError);
      }
      expect(await guard.revocations()).toEqual([]);
    },
  );
});

describe("a revocation that has ended before it begins", () => {
  it.each([
    ["seconds taken for milliseconds", () => new Date(Math.floor(Date.now() / 1000) + 3600)],
    ["the time that it is", () => new Date()],
    ["no time at all", () => new Date(NaN)],
  ])("is refused, and not pronounced to no effect: %s", async (_what, expiresAt) => {
    const guard = guardWith();
    await expect(guard.revoke({ task: "T-1" }, { expiresAt: expiresAt() })).rejects.toThrow(/expiresAt/);
    await guard.revoke({ task: "T-1" }, { expiresAt: new Date(Date.now() + 60_000) });
    expect(await codeOf(await openWith(guard))).toBe("revoked");
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

  it("ends within a second of a revocation, however long the policy is thought about meanwhile", async () => {
    const pdp = allowing();
    const { guard, ended } = await watched({ pdp, recheckEveryMs: 100, timeoutMs: 10_000 });
    pdp.interrupt(() => new Promise(() => undefined));
    await sleep(600);
    expect(pdp.queries).toHaveLength(1);
    await guard.revoke({ task: "T-1" });
    await sleep(950);
    expect(ended.map(({ code }) => code)).toEqual(["revoked"]);
  });

  it("ends within a second of a revocation, however long its token takes meanwhile", async () => {
    let takes = 0;
    const token = async (): Promise<string> => {
      await sleep(takes);
      return "t";
    };
    const auth = { method: "own", verified: true };
    const verify = () => Promise.resolve({ principal: { id: "u-1", roles: ["clerk"] }, auth });
    const guard = guardWith({ identity: { verify }, timeoutMs: 10_000 });
    const session = await guard.session({ token, agent: { id: "bot" } });
    const decision = await session.authorize(hop);
    const ended: Denial[] = [];
    takes = 5000;
    const stop = session.watch(decision.hop, (denial) => ended.push(denial));
    await sleep(500);
    await guard.revoke({ agent: "bot" });
    await sleep(950);
    expect(ended.map(({ code }) => code)).toEqual(["revoked"]);
    stop();
  });

  it("is asked about as it stands: what is counted already is not counted on top", async () => {
    const pdp = stubPdp({
      rules: [
        ({ resource }) => {
          const { session, usage } = resource.attr.context as unknown as {
            session: { steps: number; attempts: Record<string, number> };
            usage: { task: { calls: number; tokens: number } };
          };
          const { attempts, steps } = session;
          return steps <= 1 && attempts.completion === 1 && usage.task.calls <= 1 && usage.task.tokens <= 100;
        },
      ],
    });
    const session = await openWith(guardWith({ pdp, usage: {}, recheckEveryMs: 100 }));
    const hop = {
      kind: "llm_model",
      id: "gpt-4o",
      action: "completion",
      attr: { request: { max_tokens: 100 } },
    };
    expect((await session.check(hop)).effect).toBe("allow");
    const ended: Denial[] = [];
    const stop = session.watch(hop, (denial) => ended.push(denial));
    await sleep(500);
    stop();
    expect(pdp.queries.length).toBeGreaterThan(2);
    expect(ended).toEqual([]);
  });

  it("is asked about with what it says", async () => {
    const pdp = stubPdp({
      rules: [({ resource }) => (resource.attr.context as { data?: unknown[] }).data?.[0] === "public"],
    });
    const classifiers = [
      { name: "c", classify: ({ content }: { content: string }) => (content === "news" ? ["public"] : []) },
    ];
    const session = await openWith(guardWith({ pdp, classifiers, recheckEveryMs: 100 }));
    const ended: Denial[] = [];
    const stop = session.watch(hop, (denial) => ended.push(denial), { content: "news" });
    await sleep(500);
    stop();
    expect(pdp.queries.length).toBeGreaterThan(1);
    expect(ended).toEqual([]);
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

  it("nothing passes that only the question itself keeps from an answer", async () => {
    const { pdp, session } = await open({ degraded: { allow: [{ kind: "mcp_payments" }] } });
    pdp.interrupt((query) =>
      query.resource.kind === "mcp_payments"
        ? away()
        : Promise.resolve({
            effects: new Map(query.actions.map((action) => [action, "deny"] as const)),
            matchedPolicies: new Map(),
            outputs: [],
            validationErrors: [],
          }),
    );
    expect(await codeOf(session)).toBe("pdp_unavailable");
    // It goes in a request of its own: what is asked beside the question may be the attacker's, too.
    const [asked, probe] = pdp.queries;
    expect(probe?.annotations).not.toBe(asked?.annotations);
  });

  it("nothing passes that one of two principals was answered about", async () => {
    const { pdp, session } = await open({
      degraded: { allow: [{ kind: "mcp_payments" }] },
      agents: "principal",
    });
    pdp.interrupt((query) =>
      query.principal.id === "bot"
        ? Promise.resolve({
            effects: new Map([["tools/list", "allow"]]),
            matchedPolicies: new Map(),
            outputs: [],
            validationErrors: [],
          })
        : away(),
    );
    expect(await codeOf(session)).toBe("pdp_unavailable");
  });

  it("a denial is an answer, too: the next outage has its whole time", async () => {
    const { pdp, session } = await open({ degraded: { allow: [{ kind: "mcp_payments" }], forMs: 50 } });
    pdp.interrupt(away);
    expect(await codeOf(session)).toBe("allow");
    await sleep(80);
    pdp.interrupt((query) =>
      Promise.resolve({
        effects: new Map(query.actions.map((action) => [action, "deny"] as const)),
        matchedPolicies: new Map(),
        outputs: [],
        validationErrors: [],
      }),
    );
    expect(await codeOf(session)).toBe("policy_denied");
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
