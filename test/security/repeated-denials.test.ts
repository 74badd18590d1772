import { createGuard, type GuardOptions, type Hop, type PdpQuery, type Session } from "hopguard";
import { stubPdp } from "hopguard/testing";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { auditRecorder } from "../support/audit-recorder";

const refund = (amount_cents: number): Hop => ({
  kind: "mcp_payments",
  action: "tools/call/refund_issue",
  attr: { arguments: { amount_cents } },
});
const remediation = { type: "step_up", approvers_role: "tier-2-lead" };
const tooMuch = { reason: "over the cap", remediation };

const isTooMuch = ({ resource }: PdpQuery): boolean =>
  (resource.attr.arguments as { amount_cents: number }).amount_cents > 5000;
/** Denies what is too much, as a policy would. */
const cappedPdp = () => stubPdp({ rules: [(query) => (isTooMuch(query) ? tooMuch : true)] });

async function open(options: Partial<GuardOptions> = {}) {
  const pdp = cappedPdp();
  const audit = auditRecorder();
  const session = await createGuard({ pdp, audit, ...options }).session({
    principal: { id: "u-1", roles: ["clerk"] },
    agent: { id: "bot", roles: ["support-agent"] },
  });
  return { pdp, audit, session };
}

async function codes(session: Session, hops: readonly Hop[]): Promise<string[]> {
  const seen: string[] = [];
  for (const hop of hops) {
    const decision = await session.check(hop);
    seen.push(decision.effect === "allow" ? "allow" : decision.denial.code);
  }
  return seen;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the very same call, denied three times in a row,", () => {
  it("is asked about again with another token, where policies read that themselves", async () => {
    const pdp = cappedPdp();
    const principal = { id: "u-1", roles: ["clerk"] };
    const identity = {
      verify: () => Promise.resolve({ principal, auth: { method: "jwt", verified: true } }),
    };
    let token = "before the step-up";
    const guard = createGuard({ pdp, audit: auditRecorder(), identity, auxData: {} });
    const session = await guard.session({ token: () => token, agent: { id: "bot" } });
    await codes(session, Array(3).fill(refund(9000)));
    expect(await codes(session, [refund(9000)])).toEqual(["repeat_denied"]);
    token = "after it";
    expect(await codes(session, [refund(9000)])).toEqual(["policy_denied"]);
    expect(pdp.queries).toHaveLength(4);
  });

  it("is refused without asking the PDP, for some seconds, and is still told what would help", async () => {
    const { pdp, audit, session } = await open();
    expect(await codes(session, Array(5).fill(refund(9000)))).toEqual([
      "policy_denied",
      "policy_denied",
      "policy_denied",
      "repeat_denied",
      "repeat_denied",
    ]);
    expect(pdp.queries).toHaveLength(3);
    const decision = await session.check(refund(9000));
    expect(decision).toMatchObject({
      effect: "deny",
      denial: {
        code: "repeat_denied",
        reason: "over the cap This very call was denied before and is not asked again for now.",
        remediation,
        retryable: false,
      },
    });
    expect(audit.records).toHaveLength(6);

    vi.advanceTimersByTime(10_001);
    expect(await codes(session, [refund(9000), refund(9000)])).toEqual(["policy_denied", "repeat_denied"]);
    expect(pdp.queries).toHaveLength(4);
  });

  it("is counted for each call by itself, and other calls go on", async () => {
    const { session } = await open();
    const mixed = [9000, 8000, 4000, 9000, 8000, 9000, 8000, 9000, 8000, 4000].map(refund);
    expect(await codes(session, mixed)).toEqual([
      "policy_denied",
      "policy_denied",
      "allow",
      "policy_denied",
      "policy_denied",
      "policy_denied",
      "policy_denied",
      "repeat_denied",
      "repeat_denied",
      "allow",
    ]);
  });

  it("is asked again when a fact has changed", async () => {
    let risk = 1;
    const { pdp, session } = await open({ enrich: [{ name: "risk", provide: () => Promise.resolve(risk) }] });
    await codes(session, Array(4).fill(refund(9000)));
    expect(pdp.queries).toHaveLength(3);
    risk = 2;
    expect(await codes(session, [refund(9000)])).toEqual(["policy_denied"]);
  });

  it("is no longer counted once the policy allows it", async () => {
    const { pdp, session } = await open();
    await codes(session, [refund(9000), refund(9000)]);
    pdp.interrupt(({ actions }) =>
      Promise.resolve({
        effects: new Map(actions.map((action) => [action, "allow"] as const)),
        matchedPolicies: new Map(),
        outputs: [],
        validationErrors: [],
      }),
    );
    expect(await codes(session, [refund(9000)])).toEqual(["allow"]);
    pdp.interrupt(undefined);
    expect(await codes(session, [refund(9000), refund(9000)])).toEqual(["policy_denied", "policy_denied"]);
  });

  it("is not counted when the PDP could not be asked", async () => {
    const { pdp, session } = await open();
    pdp.interrupt(() => Promise.reject(new Error("away")));
    expect(await codes(session, Array(4).fill(refund(9000)))).toEqual(Array(4).fill("pdp_unavailable"));
    pdp.interrupt(undefined);
    expect(await codes(session, [refund(9000)])).toEqual(["policy_denied"]);
  });

  it("is one session's affair", async () => {
    const { pdp, session } = await open();
    await codes(session, Array(3).fill(refund(9000)));
    const other = await createGuard({ pdp, audit: () => undefined }).session({
      principal: { id: "u-1", roles: ["clerk"] },
      agent: { id: "bot" },
    });
    expect(await codes(other, [refund(9000)])).toEqual(["policy_denied"]);
  });

  it("reads like any other denial where denials are hidden", async () => {
    const { pdp, session } = await open({ denials: "hide" });
    expect(await codes(session, Array(5).fill(refund(9000)))).toEqual(Array(5).fill("policy_denied"));
    expect(pdp.queries).toHaveLength(3);
    const [first, last] = [await session.check(refund(8000)), await session.check(refund(9000))];
    const text = (decision: typeof first) => {
      if (decision.effect === "allow") throw new Error("allowed");
      return { ...decision.denial, decision_id: "" };
    };
    expect(text(last)).toEqual(text(first));
  });

  it("is asked about each time when the option is off, and as often as it says", async () => {
    const off = await open({ repeats: false });
    await codes(off.session, Array(6).fill(refund(9000)));
    expect(off.pdp.queries).toHaveLength(6);
    const once = await open({ repeats: { afterDenials: 1, forMs: 100 } });
    await codes(once.session, Array(3).fill(refund(9000)));
    expect(once.pdp.queries).toHaveLength(1);
    expect(() => createGuard({ pdp: stubPdp(), repeats: { afterDenials: 0 } })).toThrow(/repeats/);
  });
});

describe("asking without acting", () => {
  it("counts nothing, is marked on the record, and sees the counts as if the call were made", async () => {
    const { pdp, audit, session } = await open();
    await session.check(refund(1));
    const asked = await session.check(refund(2), { lookUp: true });
    expect(asked.effect).toBe("allow");
    expect(audit.records.at(-1)?.flags).toEqual(["look_up"]);
    const counts = (index: number) =>
      (pdp.queries.at(index)?.resource.attr.context as { session: { steps: number; attempts: object } })
        .session;
    expect(counts(-1)).toMatchObject({ steps: 2, attempts: { "tools/call/refund_issue": 2 } });
    await session.check(refund(3));
    expect(counts(-1)).toMatchObject({ steps: 2, attempts: { "tools/call/refund_issue": 2 } });
    await session.check(refund(9000), { lookUp: true });
    await session.check(refund(3));
    expect(counts(-1)).toMatchObject({ steps: 3, denials: 0 });
  });
});

describe("a PDP of one's own that keeps no deadline", () => {
  it("is given the guard's, and its silence is a denial", async () => {
    vi.useRealTimers();
    const aborted: boolean[] = [];
    const silent = {
      check: (_query: PdpQuery, { signal }: { signal?: AbortSignal } = {}) =>
        new Promise<never>(() => signal?.addEventListener("abort", () => aborted.push(true))),
      plan: () => new Promise<never>(() => undefined),
    };
    const session = await createGuard({ pdp: silent, audit: () => undefined, timeoutMs: 50 }).session({
      principal: { id: "u-1", roles: ["clerk"] },
      agent: { id: "bot" },
    });
    expect(await codes(session, [refund(1)])).toEqual(["pdp_unavailable"]);
    expect(aborted).toEqual([true]);
    await expect(session.visible("payments", ["refund_issue"])).rejects.toMatchObject({
      denial: { code: "pdp_unavailable" },
    });
  });
});
