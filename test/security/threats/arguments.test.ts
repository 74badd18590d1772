import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  denialIn,
  expectNothingSent,
  onEveryPdp,
  openStage,
  toolDoors,
  type CallTool,
  type Stage,
} from "../../support/threats";

/** Not a number of cents at all. */
const wrongTypes: readonly [string, unknown][] = [
  ["text", "9000"],
  ["text of a small number", "1"],
  ["nothing but text", ""],
  ["text with an exponent", "9e3"],
  ["text in Arabic digits", "٩٠٠٠"],
  ["text in full width", "９０００"],
  ["hexadecimal text", "0x2328"],
  ["null", null],
  ["a list", [9000]],
  ["an empty list", []],
  ["an object", { v: 9000 }],
  ["an object that looks like a number", { valueOf: () => 1, toString: () => "1" }],
  ["a protobuf number", { numberValue: 9000 }],
  ["true", true],
  ["absent", undefined],
  ["NaN", Number.NaN],
  ["infinite", Number.POSITIVE_INFINITY],
  ["too large for a double", Number("1e400")],
  ["a BigInt", 9000n],
  ["a symbol", Symbol("9000")],
  ["a function", () => 9000],
  ["a date", new Date(9000)],
  ["a boxed text", Object("9000")],
  ["a list that answers toString", Object.assign([9000], { toString: () => "1" })],
  ["a typed array", new Float64Array([9000])],
];

/** A number, and above the cap. */
const tooLarge: readonly [string, unknown][] = [
  ["above the cap", 9000],
  ["just above the cap", 5000.0000001],
  ["9e3", 9e3],
  ["beyond 2^53", Number("9007199254740993")],
  ["the largest there is", Number.MAX_VALUE],
  ["a boxed number", Object(9000)],
  ["what toJSON makes of it", { toJSON: () => 9000 }],
];

/** Arguments that are no object, or hold the amount where nobody may look for it. */
const wrongShapes: readonly [string, unknown][] = [
  ["nothing", undefined],
  ["null", null],
  ["a list", [{ amount_cents: 1 }]],
  ["a list with a name", Object.assign([], { amount_cents: 1 })],
  ["a number", 1],
  ["true", true],
  ["JSON of a list", '[{"amount_cents":1}]'],
  ["JSON of text", '"{\\"amount_cents\\":1}"'],
  ["no JSON", "amount_cents=1"],
  ["an inherited amount", Object.create({ amount_cents: 1 })],
  ["an amount that is not enumerable", Object.defineProperty({}, "amount_cents", { value: 1 })],
  ["a Map", new Map([["amount_cents", 1]])],
  ["__proto__ beside the amount", JSON.parse('{"amount_cents":1,"__proto__":{"amount_cents":9000}}')],
  ["__proto__ in place of the amount", JSON.parse('{"__proto__":{"amount_cents":1}}')],
  ["constructor beside the amount", { amount_cents: 1, constructor: { amount_cents: 9000 } }],
  ["the amount in another case", { Amount_Cents: 1 }],
  ["the amount in two cases", { amount_cents: 1, Amount_Cents: 9000 }],
  ["the amount with a long s", { amount_cents: 1, "amount_cent\u017f": 9000 }],
  ["the amount with a Cyrillic letter", { аmount_cents: 1 }],
  ["the amount with a space", { "amount_cents ": 1 }],
  ["the amount with a NUL", { amount_cents: 1, "amount_cents\u0000": 9000 }],
  ["arguments within arguments", { arguments: { amount_cents: 1 } }],
  ["ill-formed Unicode", { amount_cents: 1, memo: "\ud800" }],
  [
    "a getter that throws",
    {
      get amount_cents() {
        throw new RangeError("no");
      },
    },
  ],
];

/** Text that two readers could read differently. Only local tools take text: models write their arguments so. */
const wrongTexts: readonly [string, string][] = [
  ["the amount twice", '{"amount_cents":1,"amount_cents":9000}'],
  ["the amount twice, the larger first", '{"amount_cents":9000,"amount_cents":1}'],
  ["the amount twice, once escaped", '{"amount_cents":1,"amount\\u005fcents":9000}'],
  ["__proto__", '{"amount_cents":1,"__proto__":{"amount_cents":9000}}'],
  ["__proto__, escaped", '{"amount_cents":1,"\\u005f_proto__":{}}'],
  ["a byte order mark", '\ufeff{"amount_cents":1}'],
  ["a trailing comma", '{"amount_cents":1,}'],
  ["a comment", '{"amount_cents":1/*9000*/}'],
  ["two objects", '{"amount_cents":1}{"amount_cents":9000}'],
  ["lines of JSON", '{"amount_cents":1}\n{"amount_cents":9000}'],
  ["a number beyond 2^53", '{"amount_cents":9007199254740993}'],
  ["a number beyond a double", '{"amount_cents":1e400}'],
  ["a number that hides in its digits", `{"amount_cents":5000.${"0".repeat(30)}1}`],
  ["a number in hexadecimal", '{"amount_cents":0x01}'],
  ["a number with a plus", '{"amount_cents":+1}'],
  ["NaN", '{"amount_cents":NaN}'],
  ["single quotes", "{'amount_cents':1}"],
  ["a lone surrogate", '{"amount_cents":1,"memo":"\\ud800"}'],
];

onEveryPdp("a cap on what a tool is given", (pdp) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage(pdp);
  });
  afterAll(() => stage.close());
  beforeEach(() => stage.reset());

  describe.each(toolDoors)("$name", ({ name, open }) => {
    const agent = async (): Promise<CallTool> => open(stage, await stage.session("clerk"));

    it.each(["refund", "payout"] as const)(
      "lets a %s within the cap through, and nothing but it",
      async (tool) => {
        const call = await agent();
        await call(tool, { amount_cents: 5000 });
        expect(stage.upstream()).toHaveLength(1);
        expect(JSON.stringify(stage.upstream())).toContain('"amount_cents":5000');
      },
    );

    it.each(wrongTypes)(
      "denies an amount that is %s, in whichever form the cap is written",
      async (_, amount_cents) => {
        const call = await agent();
        for (const tool of ["refund", "payout"] as const) {
          const { code, retryable } = await denialIn(call(tool, { amount_cents }));
          expect([code, retryable]).toEqual(["arguments_invalid", false]);
        }
        expectNothingSent(stage);
      },
    );

    it.each(tooLarge)(
      "denies an amount that is %s, in whichever form the cap is written",
      async (_, amount_cents) => {
        const call = await agent();
        for (const tool of ["refund", "payout"] as const) {
          expect((await denialIn(call(tool, { amount_cents }))).code).toBe("policy_denied");
        }
        expectNothingSent(stage);
      },
    );

    it.each(wrongShapes)("denies arguments that are or hold %s", async (_, args) => {
      const call = await agent();
      expect((await denialIn(call("refund", args))).code).toBe("arguments_invalid");
      expectNothingSent(stage);
    });

    it("never lets more through by another name, where a tool does not mind other members", async () => {
      const call = await agent();
      await Promise.allSettled(wrongShapes.map(([, args]) => call("payout", args)));
      expect(JSON.stringify(stage.ran)).not.toContain("9000");
    });

    it.each([
      ["5 MB of text", { amount_cents: 1, memo: "m".repeat(5_000_000) }, /longer than 1048576 characters/],
      ["200 levels", { amount_cents: 1, memo: nested(200) }, /nested more than 64 levels deep/],
      ["100,000 levels", { amount_cents: 1, memo: nested(100_000) }, /JSON/],
    ])("denies arguments of %s with words that say so, and no retry", async (_, args, words) => {
      const call = await agent();
      const { code, reason, retryable } = await denialIn(call("refund", args));
      expect([code, retryable]).toEqual(["arguments_invalid", false]);
      expect(reason).toMatch(words);
      expect(reason.length).toBeLessThan(300);
      expectNothingSent(stage);
    });

    it("reads -0 as 0, and a getter, a proxy and toJSON once", async () => {
      const call = await agent();
      let asked = 0;
      const first = (): number => (++asked === 1 ? 4000 : 9000);
      await call("payout", { amount_cents: -0 });
      await call("payout", {
        get amount_cents() {
          return first();
        },
      });
      asked = 0;
      await call("payout", { amount_cents: { toJSON: first } });
      asked = 0;
      await call(
        "payout",
        new Proxy(
          { amount_cents: 0 },
          {
            get: (target, key) => (key === "amount_cents" ? first() : (Reflect.get(target, key) as unknown)),
          },
        ),
      );
      const sent = JSON.stringify(stage.upstream());
      expect(sent.match(/"amount_cents":\d+/g)).toEqual([
        '"amount_cents":0',
        ...Array<string>(3).fill('"amount_cents":4000'),
      ]);
    });

    it("sends what was checked, whatever happens to it while the call is under way", async () => {
      const call = await agent();
      // SDK 2 reads the arguments some turns later than it is called: then what it reads is what is checked.
      for (const turn of [() => Promise.resolve(), () => delay(0), () => delay(3)]) {
        const args: Record<string, unknown> = { amount_cents: 4000 };
        const pending = call("payout", args);
        await turn();
        args.amount_cents = 9000;
        Object.defineProperty(args, "toJSON", { value: () => ({ amount_cents: 9000 }) });
        await Promise.allSettled([pending]);
      }
      expect(JSON.stringify(stage.upstream())).not.toContain("9000");
    });

    if (name.startsWith("local")) {
      it.each(wrongTexts)("denies arguments in a text with %s", async (_, text) => {
        const call = await agent();
        for (const tool of ["refund", "payout"] as const) {
          expect((await denialIn(call(tool, text))).code).toBe("arguments_invalid");
        }
        expectNothingSent(stage);
      });

      it("reads arguments in a text once, however it is escaped", async () => {
        const call = await agent();
        expect((await denialIn(call("payout", '{"amount\\u005fcents":9000}'))).code).toBe("policy_denied");
        expectNothingSent(stage);
        await call("payout", ' {"amount\\u005fcents": 4e3}\n');
        expect(stage.ran).toEqual([{ amount_cents: 4000 }]);
      });
    }
  });
});

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level++) value = [value];
  return value;
}
