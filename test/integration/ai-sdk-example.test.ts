import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createGuard, type GuardOptions } from "hopguard";
import { stubPdp, type StubRule } from "hopguard/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { run } from "../../examples/ai-sdk/run";

afterEach(() => {
  globalThis.AI_SDK_DEFAULT_PROVIDER = undefined;
  vi.restoreAllMocks();
});

/** A guard that is told by other rules than the desk's. */
const under =
  (...rules: readonly StubRule[]) =>
  (options: GuardOptions) =>
    createGuard({ ...options, pdp: stubPdp({ rules, plan: () => "conditional" }) });

const isLarge: StubRule = ({ resource: { attr } }) => {
  const { amount_cents } = (attr.arguments ?? {}) as { readonly amount_cents?: number };
  return amount_cents === 900_000 ? { reason: "too much" } : undefined;
};

describe("the story of examples/ai-sdk", () => {
  it("ends as told", async () => {
    const { stdout } = await promisify(execFile)("npx", ["tsx", "examples/ai-sdk/main.ts"], {
      env: { ...process.env, NO_COLOR: "1" },
    });
    expect(stdout).toContain("The story ended as told.");
    expect(stdout).toMatch(
      /✘ deny +refund-bot for u-1042 +payments {2}tools\/call\/refund_issue .*tier-1-support refund cap exceeded/,
    );
    expect(stdout).toContain("“Refund not issued. A tier-2-lead must approve it.”");
  }, 180_000);

  it.each([
    ["nothing is denied", under(() => true), "no money was to move"],
    ["a denial does not say who must approve", under(isLarge, () => true), "the ticket says: "],
    ["everything is denied", under(), "gpt-4o"],
  ])(
    "exits with 1 when %s",
    async (_, makeGuard, complaint) => {
      vi.spyOn(console, "log").mockImplementation(() => undefined);
      const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
      expect(await run({ makeGuard })).toBe(1);
      const [, error] = complaints.mock.calls.flat() as readonly unknown[];
      expect(`${String(error)} ${JSON.stringify(error)}`).toContain(complaint);
    },
    60_000,
  );
});
