import type { PolicyDecisionPoint, Session } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import type { ToolMap } from "hopguard/openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Turn } from "../../examples/shared/local-provider";
import { answerFormats, ways, type SeenAnswer } from "../support/answers";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { brokenPdp, deadPdp } from "../support/other-pdps";

const tools = {
  customer_get: { server: "crm" },
  credit: { server: "crm", effect: "write" },
  refund: { toolset: "desk" },
  note: { toolset: "desk" },
} as const satisfies ToolMap;

const credit = (amount_cents: unknown) => ({ name: "credit", arguments: { amount_cents } });
const note = { name: "note", arguments: { text: "Héllo – 你好 🎉" } };

let desk: Desk;
let analyst: Session;
let turn: Turn;
/** Runs when the provider is about to answer. */
let answering: (() => unknown) | undefined;

beforeAll(async () => {
  desk = await openDesk({
    policies: labPolicies,
    provider: { turn: () => (answering?.(), turn), deltas: 5 },
  });
  analyst = await desk.session("analyst");
});
afterAll(() => desk.close());
beforeEach(() => desk.reset());

describe.each(answerFormats)("an answer in $name", (format) => {
  const { stop } = format;
  describe.each(ways)("%s", (way) => {
    const ask = (options: object = {}, session = analyst): Promise<SeenAnswer> =>
      format.connect(desk, session, { tools, ...options })[way]();
    /** The records about the calls in the answer. What the request may declare is looked up by `*`. */
    const lookedUp = () => desk.records.filter(({ hop }) => /^tools\/call\/[^*]/.test(hop.action));

    const denials = () => lookedUp().filter(({ effect }) => effect === "deny");

    it("holds its text and the calls that are allowed, as the provider gave them", async () => {
      turn = { text: "Here you are – 你好.", toolCalls: [credit(100), note] };
      expect(await ask()).toEqual({
        text: "Here you are – 你好.",
        calls: [credit(100), note],
        stop: stop.calls,
      });
      const [first, second] = lookedUp();
      expect(first).toMatchObject({
        hop: { kind: "mcp_crm", action: "tools/call/credit" },
        effect: "allow",
        flags: ["look_up"],
      });
      expect(second?.hop).toMatchObject({ kind: "tool_desk", action: "tools/call/note" });
    });

    it("holds a text in the place of a denied call, and is finished when no call is left", async () => {
      turn = { toolCalls: [credit(900_000)] };
      const { text, calls, stop: reason } = await ask();
      expect(text.trim()).toBe(
        'The call of the tool "credit" was denied: The policy does not allow this. Do not retry the same call.',
      );
      expect(calls).toEqual([]);
      expect(reason).toBe(stop.text);
      expect(denials()).toMatchObject([{ code: "policy_denied", flags: ["look_up"] }]);
    });

    it("keeps the calls that are allowed beside one that is denied", async () => {
      turn = { text: "Working.", toolCalls: [note, credit(900_000), credit(200), credit("100")] };
      const { text, calls, stop: reason } = await ask();
      expect(text).toMatch(
        /^Working\.\s+The call of the tool "credit" was denied: .+\s+The call of the tool/,
      );
      expect(calls).toEqual([note, credit(200)]);
      expect(reason).toBe(stop.calls);
    });

    it("is held against the types that the request declares, before the policy is asked", async () => {
      for (const given of [credit("9000"), credit([9]), { name: "credit", arguments: {} }]) {
        desk.reset();
        turn = { toolCalls: [given] };
        expect((await ask()).calls).toEqual([]);
        expect(denials()).toMatchObject([{ code: "arguments_invalid", flags: ["look_up"] }]);
      }
    });

    it("loses calls whose arguments can be read in two ways, or are no object", async () => {
      for (const json of [
        '{"amount_cents":1,"amount_cents":900000}',
        '{"amount_cents":1',
        "[]",
        "null",
        '"x"',
      ]) {
        desk.reset();
        // Anthropic's answers in one piece hold arguments that are parsed.
        if (stop.calls === "tool_use" && way === "whole") continue;
        turn = { toolCalls: [{ name: "credit", arguments: json }] };
        expect((await ask()).calls).toEqual([]);
        expect(denials()).toMatchObject([{ code: "arguments_invalid", flags: ["look_up"] }]);
      }
    });

    it("loses calls of tools that the map does not know", async () => {
      for (const name of ["shell", "constructor", "__proto__", "a tool; of sorts"]) {
        desk.reset();
        turn = { toolCalls: [{ name, arguments: {} }, note] };
        const { text, calls } = await ask();
        expect(calls).toEqual([note]);
        expect(text).toContain(
          `The call of the tool "${name}" was denied: The agent has no tool of this name.`,
        );
        expect(denials()).toMatchObject([{ code: "unsupported_hop", flags: ["look_up"] }]);
      }
    });

    it("holds no call when the PDP is down or does not answer", async () => {
      const up = cerbos(desk.pdpUrl);
      const hanging = await brokenPdp(() => new Promise(() => undefined), 100);
      for (const down of [await deadPdp(), hanging]) {
        let pdp: PolicyDecisionPoint = up;
        // The request itself is allowed.
        answering = () => (pdp = down);
        const session = await desk.session("analyst", {
          pdp: {
            check: (query, options) => pdp.check(query, options),
            plan: (query, options) => pdp.plan(query, options),
          },
        });
        turn = { text: "One moment.", toolCalls: [credit(100)] };
        const { calls, text } = await ask({}, session);
        expect(calls).toEqual([]);
        expect(text).toContain("The policy decision point did not answer.");
        answering = undefined;
      }
      up.close();
      await hanging.stop();
    });

    it('is left as it is without a map, and with answers: "pass"', async () => {
      turn = { toolCalls: [credit(900_000), { name: "shell", arguments: {} }] };
      expect((await ask({ answers: "pass" })).calls).toEqual(turn.toolCalls);
      expect((await ask({ tools: undefined })).calls).toEqual(turn.toolCalls);
      expect(lookedUp()).toHaveLength(0);
    });
  });
});
