import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { decodeJwt } from "jose";
import { createGuard, memoryState, type DelegationTokens, type Guard, type GuardOptions } from "hopguard";
import { afterEach, describe, expect, it, vi } from "vitest";
import { run } from "../../examples/delegation/run";

afterEach(() => vi.restoreAllMocks());

/** What was signed, as far as it is changed here. */
interface Signed {
  readonly links: readonly { readonly grant: readonly { readonly constraints?: object }[] }[];
}

/** The executor's guard with other tokens than it was given. */
const withTokens =
  (change: (tokens: DelegationTokens) => DelegationTokens) =>
  ({ delegation, ...options }: GuardOptions): Guard => {
    if (!delegation?.tokens) throw new Error("the executor's guard has no tokens");
    return createGuard({ ...options, delegation: { tokens: change(delegation.tokens) } });
  };

const withoutLimits = withTokens((tokens) => ({
  ...tokens,
  verify: async (token) => {
    const { delegation, ...proven } = await tokens.verify(token);
    const signed = delegation as Signed;
    const links = signed.links.map(({ grant, ...link }) => ({
      ...link,
      grant: grant.map(({ constraints: _limits, ...details }) => details),
    }));
    return { ...proven, delegation: { ...signed, links } };
  },
}));

const withoutSignatures = withTokens((tokens) => ({
  ...tokens,
  verify: (token) => {
    const { delegation, aud, exp = 0 } = decodeJwt<{ readonly delegation: object }>(token);
    return Promise.resolve({ delegation, audience: String(aud), expiresAt: exp * 1000 });
  },
}));

describe("the story of examples/delegation", () => {
  it("ends as told, with every attempt refused", async () => {
    const { stdout } = await promisify(execFile)("npx", ["tsx", "examples/delegation/main.ts"], {
      env: { ...process.env, NO_COLOR: "1" },
    });
    expect(stdout).toContain("The story ended as told: 28 attempts refused, and nothing was reached by any.");
    expect(stdout).toMatch(
      /one cent more:\n +✘ deny +executor for u-2001 +payments {2}tools\/call\/refund_issue/,
    );
    expect(stdout).toMatch(
      /handing back to the planner:\n +✘ deny .* planner is part of the chain already\./,
    );
    expect(stdout).toMatch(/another agent:\n +✘ deny .* The delegation behind this call is not valid\./);
  }, 180_000);

  it.each<[string, (options: GuardOptions) => Guard, string]>([
    ["the limits of grants", withoutLimits, "one cent more: this was not refused"],
    ["signatures", withoutSignatures, "a token with its limits raised: this was not refused"],
    [
      "the time",
      (options) => createGuard({ ...options, clock: () => new Date() }),
      "a call: this was not refused",
    ],
    [
      "revocations of others",
      (options) => createGuard({ ...options, state: memoryState() }),
      "a call of the executor: this was not refused",
    ],
  ])(
    "exits with 1 when the executor's guard does not look at %s",
    async (_, executorGuard, complaint) => {
      vi.spyOn(console, "log").mockImplementation(() => undefined);
      const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
      expect(await run({ executorGuard })).toBe(1);
      expect(String(complaints.mock.calls.flat()[1])).toContain(complaint);
    },
    60_000,
  );
});
