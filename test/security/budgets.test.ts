import { createGuard, memoryState, type GuardOptions, type Hop, type PdpQuery, type Session } from "hopguard";
import { stubPdp } from "hopguard/testing";
import { describe, expect, it } from "vitest";
import { auditRecorder } from "../support/audit-recorder";

const call = (max_tokens?: number, model = "gpt-4o-mini"): Hop => ({
  kind: "llm_model",
  id: model,
  action: "completion",
  attr: {
    endpoint: "https://api.example/v1",
    request: { estimated_input_tokens: 100, ...(max_tokens !== undefined && { max_tokens }) },
  },
});
interface Sum {
  readonly calls: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly tokens: number;
  readonly cost: number;
}
interface UsageFacts {
  readonly session: Sum;
  readonly task: Sum;
  readonly principal: { readonly hour: Sum; readonly day: Sum };
  readonly agent: { readonly hour: Sum };
}
const usageOf = (query: PdpQuery | undefined): UsageFacts =>
  (query?.resource.attr.context as unknown as { usage: UsageFacts }).usage;

const modelFacts = [
  { model: "gpt-4o-mini", price: { input: 0.5, output: 2 }, tier: "small", maxOutputTokens: 500 },
];

/** A policy with one limit, on what the task has used. */
const limitedTo = (tokens: number) => stubPdp({ rules: [(query) => usageOf(query).task.tokens <= tokens] });

function open(options: Partial<GuardOptions>, task = "T-1", principal = "u-1"): Promise<Session> {
  const guard = createGuard({
    pdp: stubPdp(),
    audit: () => undefined,
    usage: {},
    modelFacts,
    repeats: false,
    ...options,
  });
  return guard.session({
    principal: { id: principal, roles: ["clerk"] },
    agent: { id: "bot" },
    task: { id: task },
  });
}

describe("what a hop may use up", () => {
  it("is counted before the policy is asked, in every sum that it belongs to", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    await session.check(call(300));
    const sum = {
      calls: 1,
      input_tokens: 100,
      output_tokens: 300,
      reasoning_tokens: 0,
      tokens: 400,
      cost: 0.00065,
    };
    expect(usageOf(pdp.queries[0])).toEqual({
      session: sum,
      task: sum,
      principal: { hour: sum, day: sum },
      agent: { hour: sum, day: sum },
    });
    await session.check({ kind: "mcp_payments", action: "tools/list" });
    expect(usageOf(pdp.queries[1]).task).toEqual({ ...sum, calls: 2 });
  });

  it("is bounded by the request, the model's facts, or what is assumed", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const seen: number[] = [];
    for (const hop of [call(300), call(), call(undefined, "unknown"), call(-5), call(NaN)]) {
      const before = seen.reduce((sum, tokens) => sum + tokens, 0);
      await session.check(hop);
      seen.push(usageOf(pdp.queries.at(-1)).task.output_tokens - before);
    }
    // NaN is null in JSON, and no bound.
    expect(seen).toEqual([300, 500, 4096, 0, 500]);
  });

  it("wipes nothing out, however large the model says it is", async () => {
    const session = await open({ pdp: limitedTo(1000) });
    expect((await session.check(call(800))).effect).toBe("allow");
    for (const huge of [1e300, Number.MAX_SAFE_INTEGER, 2 ** 53]) {
      expect((await session.check(call(huge))).effect).toBe("deny");
    }
    expect((await session.check(call(800))).effect).toBe("deny");
  });

  it("gives way to what was used, once it is known; without a word of that it stands", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({ pdp });
    const settle = async (
      outcome: "done" | "failed",
      usage?: { input_tokens: number; output_tokens: number },
    ) => {
      const decision = await session.check(call(300));
      if (decision.effect === "deny") throw new Error(decision.denial.reason);
      decision.settle(outcome, usage);
      decision.settle("failed");
      const { session: sum } = usageOf(pdp.queries.at(-1));
      return sum.tokens;
    };
    expect(await settle("done", { input_tokens: 90, output_tokens: 10 })).toBe(400);
    expect(await settle("failed")).toBe(100 + 400);
    expect(await settle("done")).toBe(100 + 400);
    expect(await settle("failed", { input_tokens: 5, output_tokens: 0 })).toBe(100 + 400 + 400);
    await session.check(call(300));
    expect(usageOf(pdp.queries.at(-1)).session).toMatchObject({ calls: 4, tokens: 100 + 400 + 5 + 400 });
  });

  it("is given back when it is denied, and never counted by asking", async () => {
    const pdp = limitedTo(1000);
    const session = await open({ pdp });
    expect((await session.check(call(2000))).effect).toBe("deny");
    expect((await session.check(call(900), { lookUp: true })).effect).toBe("allow");
    expect((await session.check(call(901), { lookUp: true })).effect).toBe("deny");
    expect((await session.check(call(900))).effect).toBe("allow");
    expect((await session.check(call(900), { lookUp: true })).effect).toBe("deny");
  });
});

describe("a limit in policy", () => {
  it("for one lets one of twenty pass that come at once", async () => {
    const session = await open({ pdp: limitedTo(400) });
    const decisions = await Promise.all(Array.from({ length: 20 }, () => session.check(call(300))));
    expect(decisions.filter(({ effect }) => effect === "allow")).toHaveLength(1);
  });

  it("holds for all sessions of a task, and not for another task", async () => {
    const state = memoryState();
    const pdp = limitedTo(1000);
    const sessions = await Promise.all([open({ pdp, state }), open({ pdp, state }, "T-1", "u-2")]);
    const decisions = await Promise.all(
      Array.from({ length: 10 }, (_, index) => (sessions[index % 2] as Session).check(call(300))),
    );
    expect(decisions.filter(({ effect }) => effect === "allow").length).toBeLessThanOrEqual(2);
    const other = await open({ pdp, state }, "T-2");
    expect((await other.check(call(300))).effect).toBe("allow");
  });

  it("by the hour begins anew with the hour", async () => {
    let now = new Date("2026-11-21T10:59:00Z");
    const pdp = stubPdp({ rules: [(query) => usageOf(query).principal.hour.calls <= 1] });
    const session = await open({ pdp, clock: () => now });
    expect((await session.check(call())).effect).toBe("allow");
    expect((await session.check(call())).effect).toBe("deny");
    now = new Date("2026-11-21T11:00:00Z");
    expect((await session.check(call())).effect).toBe("allow");
  });
});

describe("what the operator knows of a model", () => {
  it("is there for the policy, by its canonical id and the place where it runs", async () => {
    const pdp = stubPdp({ rules: [() => true] });
    const session = await open({
      pdp,
      models: { "team-fast": "gpt-4o-mini" },
      modelFacts: [
        { model: "gpt-4o-mini", tier: "small", region: "us" },
        { model: "gpt-4o-mini", baseURL: "https://api.example/v1/", tier: "small", region: "eu" },
      ],
    });
    const regionOf = (query: PdpQuery | undefined) => query?.resource.attr.region;
    await session.check({ ...call(), id: "team-fast" });
    expect(pdp.queries.slice(-2).map(regionOf)).toEqual(["eu", "eu"]);
    await session.check({
      kind: "llm_model",
      id: "gpt-4o-mini",
      action: "completion",
      attr: { region: "eu" },
    });
    expect(regionOf(pdp.queries.at(-1))).toBe("us");
    await session.check({ kind: "llm_model", id: "other", action: "completion" });
    expect(regionOf(pdp.queries.at(-1))).toBeUndefined();
  });

  it("is refused where it is wrong", () => {
    const guard = (facts: object) => () => createGuard({ pdp: stubPdp(), modelFacts: [facts as never] });
    expect(guard({ model: "a b" })).toThrow(/modelFacts\.0\.model/);
    expect(guard({ model: "a", price: { input: -1, output: 0 } })).toThrow(/modelFacts\.0\.price\.input/);
    expect(guard({ model: "a", baseURL: "nowhere" })).toThrow(/modelFacts\.0\.baseURL/);
  });
});

it("usage is not counted where nobody asks for it", async () => {
  const pdp = stubPdp({ rules: [() => true] });
  const audit = auditRecorder();
  const guard = createGuard({ pdp, audit });
  const session = await guard.session({ principal: { id: "u-1", roles: ["clerk"] }, agent: { id: "bot" } });
  await session.check(call());
  expect(usageOf(pdp.queries[0])).toBeUndefined();
});
