import { AuthorizationDeniedError, ConfigurationError, findDenial, type Session } from "hopguard";
import { guardTools, type GuardToolsOptions } from "hopguard/tools";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { brokenPdp, countingPdp, deadPdp } from "../support/other-pdps";
import { openDesk, type Desk } from "../support/desk";
import { labPolicies } from "../support/lab-policies";
import { denialOf, rejection } from "../support/model-sdks";

const amount = z.object({ amount_cents: z.number().int().positive() });
const amountJson = {
  type: "object",
  properties: { amount_cents: { type: "integer", exclusiveMinimum: 0 } },
  required: ["amount_cents"],
};

let desk: Desk;
let analyst: Session;
/** The arguments that reached a tool. */
let ran: unknown[];

beforeAll(async () => {
  desk = await openDesk({ policies: labPolicies });
  analyst = await desk.session("analyst");
});
afterAll(() => desk.close());
beforeEach(() => {
  desk.reset();
  ran = [];
});

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- attacks pass what no type admits
const run = (args: any): string => {
  ran.push(args);
  return "done";
};
type AsyncRun = (args: unknown) => Promise<string>;
const options = { toolset: "desk" };
const refund = (more: Omit<Partial<GuardToolsOptions>, "denials"> = {}, session = analyst) =>
  guardTools({ refund: run }, session, { ...options, schemas: { refund: amount }, ...more }).refund;

describe("guardTools", () => {
  it("runs an allowed call on the very arguments that were checked, frozen, and returns what it returns", async () => {
    const given = { amount_cents: 4000 };
    expect(await refund()(given)).toBe("done");
    expect(ran).toEqual([given]);
    expect(ran[0]).not.toBe(given);
    expect(Object.isFrozen(ran[0])).toBe(true);
    expect(desk.records).toMatchObject([
      { effect: "allow", hop: { kind: "tool_desk", name: "desk", action: "tools/call/refund" } },
    ]);
  });

  it("throws what the policy denies, and does not run the tool", async () => {
    const error = await rejection(refund()({ amount_cents: 9000 }));
    expect(error).toBeInstanceOf(AuthorizationDeniedError);
    expect(findDenial(error)).toMatchObject({ code: "policy_denied", hop: { action: "tools/call/refund" } });
    expect(ran).toEqual([]);
  });

  it("returns the denial, if the loop wants it so, and only its own", async () => {
    const schemas = { refund: amount };
    const returning = guardTools({ refund: run }, analyst, { ...options, schemas, denials: "return" }).refund;
    expect(await returning({ amount_cents: 9000 })).toMatchObject({
      decision: "deny",
      code: "policy_denied",
    });
    expect(await returning({ amount_cents: 4000 })).toBe("done");
    const outer = guardTools({ note: () => refund()({ amount_cents: 9000 }) }, analyst, {
      ...options,
      untyped: "allow",
      denials: "return",
    });
    expect((await denialOf(outer.note())).hop.action).toBe("tools/call/refund");
    expect(ran).toHaveLength(1);
  });

  it("passes on what the tool itself throws", async () => {
    const failing = guardTools({ note: () => Promise.reject(new RangeError("no paper")) }, analyst, {
      ...options,
      untyped: "allow",
      denials: "return",
    });
    expect(await rejection(failing.note())).toBeInstanceOf(RangeError);
  });

  it("is denied when the PDP is down, lies or is slow", async () => {
    const lying = await brokenPdp(() => new Response("<html>"));
    const hanging = await brokenPdp(() => new Promise(() => undefined), 50);
    for (const pdp of [await deadPdp(), lying, hanging]) {
      const session = await desk.session("analyst", { pdp });
      const denial = await denialOf(refund({}, session)({ amount_cents: 1 }));
      expect(denial.code).toMatch(/^pdp_/);
    }
    expect(ran).toEqual([]);
    await Promise.all([lying.stop(), hanging.stop()]);
  });
});

describe("arguments that are not what the tool accepts", () => {
  const getter = {
    get amount_cents() {
      return "9000";
    },
  };
  it.each<[string, unknown]>([
    ["text for a number", { amount_cents: "9000" }],
    ["null for a number", { amount_cents: null }],
    ["a list for a number", { amount_cents: [9000] }],
    ["an object for a number", { amount_cents: { v: 9000 } }],
    ["true for a number", { amount_cents: true }],
    ["no number", {}],
    ["NaN", { amount_cents: NaN }],
    ["a bigint", { amount_cents: 1n }],
    ["a getter that answers text", getter],
    ["a toJSON that answers something else", { amount_cents: 1, toJSON: () => ({ amount_cents: "1" }) }],
    ["__proto__", JSON.parse('{"amount_cents":1,"__proto__":{"x":1}}')],
    ["nothing", undefined],
    ["null", null],
    ["a list", [{ amount_cents: 1 }]],
    ["a number", 7],
    ["a function", () => ({ amount_cents: 1 })],
    ["text that is no JSON", "{amount_cents: 1}"],
    ["text that is a list", '[{"amount_cents":1}]'],
    ["text that is null", "null"],
    ["text that is text", '"{\\"amount_cents\\":1}"'],
    ["text with the amount twice", '{"amount_cents":9000,"amount_cents":1}'],
    ["text with a number of another reader's", '{"amount_cents":9007199254740993}'],
    ["no text", ""],
  ])("are denied before the policy is asked: %s", async (_, given) => {
    for (const schema of [amount, amountJson]) {
      const tool = refund({ schemas: { refund: schema } });
      const denial = await denialOf(tool(given));
      expect(denial.code).toBe("arguments_invalid");
      expect(denial.reason).not.toContain("9000");
    }
    expect(ran).toEqual([]);
  });

  it("are denied without a schema, too, when they are no object", async () => {
    const note = guardTools({ note: run }, analyst, { ...options, untyped: "allow" }).note;
    for (const given of [null, [], "[]", "x", 7, true]) {
      expect((await denialOf(note(given))).code).toBe("arguments_invalid");
    }
    expect(ran).toEqual([]);
    await note('{"text":"hello"}');
    await note(undefined);
    expect(ran).toEqual([{ text: "hello" }, {}]);
  });

  it("are denied when they are too deep or too large", async () => {
    const note = guardTools({ note: run }, analyst, { ...options, untyped: "allow" }).note;
    const deep = `{"a":${"[".repeat(200)}${"]".repeat(200)}}`;
    for (const given of [deep, JSON.parse(deep) as unknown, { text: "x".repeat(5_000_000) }]) {
      const denial = await denialOf(note(given));
      expect(denial).toMatchObject({ code: "arguments_invalid", retryable: false });
    }
    expect(ran).toEqual([]);
  });
});

describe("what is checked is what runs", () => {
  it("is the text that a model wrote, once it is parsed", async () => {
    await refund()('{"amount_cents": 4000}');
    expect(ran).toEqual([{ amount_cents: 4000 }]);
  });

  it("is what the schema made of it", async () => {
    const coercing = z.object({ amount_cents: z.coerce.number(), currency: z.string().default("EUR") });
    const tool = refund({ schemas: { refund: coercing } });
    await tool({ amount_cents: "4000", extra: true });
    expect(ran).toEqual([{ amount_cents: 4000, currency: "EUR" }]);
    expect((await denialOf(tool({ amount_cents: "9000" }))).code).toBe("policy_denied");
    expect(ran).toHaveLength(1);
  });

  it("is what it was at the call, whatever happens to it afterwards", async () => {
    const given = { amount_cents: 4000, to: { account: "A" } };
    const note = guardTools({ note: run }, analyst, { ...options, untyped: "allow" }).note;
    const call = note(given);
    given.amount_cents = 9000;
    given.to.account = "B";
    await call;
    expect(ran).toEqual([{ amount_cents: 4000, to: { account: "A" } }]);
  });

  it("is what a getter said the first time", async () => {
    let reads = 0;
    await refund()({
      get amount_cents() {
        return reads++ === 0 ? 4000 : 9000;
      },
    });
    expect(ran).toEqual([{ amount_cents: 4000 }]);
  });
});

describe("a tool without a schema", () => {
  it("is denied, and the denial says what admits it", async () => {
    const denial = await denialOf(refund({ schemas: {} })({ amount_cents: 1 }));
    expect(denial.code).toBe("arguments_invalid");
    expect(denial.reason).toMatch(
      /a schema for the tool, or `untyped: "allow"`, in the options of guardTools/,
    );
    expect(ran).toEqual([]);
  });

  it("is left to the policy, if the operator wants it so", async () => {
    const tool = refund({ schemas: {}, untyped: "allow" });
    await denialOf(tool({ amount_cents: "9000" }));
    await tool({ amount_cents: 4000 });
    expect(ran).toEqual([{ amount_cents: 4000 }]);
  });
});

describe("the shape of tools", () => {
  it.each(["execute", "run", "handler"] as const)("may be an object with %s", async (runner) => {
    for (const schema of [{ inputSchema: amount }, { parameters: amountJson }, { schema: amount }]) {
      const tool = { description: "Refunds", [runner]: run, ...schema };
      const guarded = guardTools({ refund: tool }, analyst, options).refund;
      expect(guarded).toMatchObject({ description: "Refunds", ...schema });
      const call = (guarded as Record<string, unknown>)[runner] as AsyncRun;
      await call({ amount_cents: 4000 });
      expect((await denialOf(call({ amount_cents: "1" }))).code).toBe("arguments_invalid");
      expect(ran).toEqual([{ amount_cents: 4000 }]);
      ran = [];
    }
  });

  it("may be an instance of a class with state of its own", async () => {
    class Till {
      readonly inputSchema = amount;
      #refunded = 0;
      get refunded(): number {
        return this.#refunded;
      }
      describe(): string {
        return "a till";
      }
      execute({ amount_cents }: { amount_cents: number }): number {
        return (this.#refunded += amount_cents);
      }
    }
    const till = new Till();
    const { refund } = guardTools({ refund: till }, analyst, options);
    expect(await refund.execute({ amount_cents: 4000 })).toBe(4000);
    expect(refund).toBeInstanceOf(Till);
    expect(refund.describe()).toBe("a till");
    expect(till.refunded).toBe(4000);
    await denialOf(refund.execute({ amount_cents: 9000 }));
    expect(till.refunded).toBe(4000);
  });

  it("hands on what a framework passes beside the arguments", async () => {
    const seen: unknown[] = [];
    const tool = { inputSchema: amount, execute: (...given: unknown[]) => seen.push(...given) };
    const { refund } = guardTools({ refund: tool }, analyst, options);
    await refund.execute({ amount_cents: 1 }, { toolCallId: "call_1" });
    expect(seen).toEqual([{ amount_cents: 1 }, { toolCallId: "call_1" }]);
  });

  it("may have names that objects have anyway", async () => {
    const tools = JSON.parse('{"__proto__":1,"constructor":1,"toString":1,"hasOwnProperty":1}') as Record<
      string,
      typeof run
    >;
    for (const name of Object.keys(tools)) {
      Object.defineProperty(tools, name, { value: run, enumerable: true });
    }
    const guarded = guardTools(tools, analyst, { ...options, untyped: "allow" });
    expect(Object.keys(guarded)).toEqual(Object.keys(tools));
    for (const name of ["__proto__", "constructor", "toString"]) {
      await (Object.getOwnPropertyDescriptor(guarded, name)?.value as AsyncRun)({ name });
    }
    expect(ran).toEqual([{ name: "__proto__" }, { name: "constructor" }, { name: "toString" }]);
    const other = Object.getOwnPropertyDescriptor(guarded, "hasOwnProperty")?.value as AsyncRun;
    expect((await denialOf(other({}))).code).toBe("policy_denied");
    // No schema and no effect by inheritance.
    const { constructor } = guardTools({ constructor: run }, analyst, {
      ...options,
      schemas: {},
      effects: {},
    });
    expect((await denialOf(constructor({}))).code).toBe("arguments_invalid");
  });

  it("cannot be exchanged afterwards", () => {
    const guarded = guardTools({ refund: run }, analyst, { ...options, untyped: "allow" }) as Record<
      string,
      unknown
    >;
    expect(() => (guarded.refund = run)).toThrow(TypeError);
    expect(() => (guarded.other = run)).toThrow(TypeError);
  });
});

describe("wrong options", () => {
  it.each<[RegExp, unknown, unknown]>([
    [/guardTools\.toolset/, { refund: run }, {}],
    [/guardTools\.toolset.*desk-2/, { refund: run }, { toolset: "desk-2" }],
    [/guardTools\.toolset/, { refund: run }, { toolset: "Desk" }],
    [/guardTools\.untyped/, { refund: run }, { ...options, untyped: "maybe" }],
    [/guardTools\.denials/, { refund: run }, { ...options, denials: "ignore" }],
    [/failOpen/, { refund: run }, { ...options, failOpen: true }],
    [/guardTools\.effects.*refunds/, { refund: run }, { ...options, effects: { refunds: "write" } }],
    [/guardTools\.effects/, { refund: run }, { ...options, effects: { refund: "harmless" } }],
    [/guardTools\.schemas.*toString/, { refund: run }, { ...options, schemas: { toString: amount } }],
    [
      /guardTools\.schemas\.refund/,
      { refund: run },
      { ...options, schemas: { refund: { $ref: "#/nowhere" } } },
    ],
    [/guardTools\.schemas\.refund/, { refund: run }, { ...options, schemas: { refund: "string" } }],
    [/"re fund"/, { "re fund": run }, options],
    [/"refund\*"/, { "refund*": run }, options],
    [/"r\\n"/, { "r\n": run }, options],
    [/"refund"/, { refund: {} }, options],
    [/"refund"/, { refund: null }, options],
    [/"refund"/, { refund: "refund" }, options],
    [/"refund"/, { refund: { execute: "run" } }, options],
    [/guardTools/, null, options],
    [/guardTools/, [run], options],
    [/guardTools/, { refund: run }, undefined],
  ])("fail at once, with %s", (message, tools, given) => {
    const make = () => guardTools(tools as never, analyst, given as GuardToolsOptions);
    expect(make).toThrow(ConfigurationError);
    expect(make).toThrow(message);
  });

  it("fail at once when there is no session", () => {
    expect(() => guardTools({ refund: run }, desk.session("analyst") as never, options)).toThrow(/session/);
  });
});

it("tells the policy how the operator classifies the tool", async () => {
  let effect: unknown;
  const session = await desk.session("analyst", {
    guard: { guardrails: [{ name: "look", check: ({ hop }) => void (effect = hop.attr.effect) }] },
  });
  await refund({ effects: { refund: "side_effect" } }, session)({ amount_cents: 1 });
  expect(effect).toBe("side_effect");
});

it("asks the PDP once about twenty calls that run at once, each decided by itself", async () => {
  const { pdp, requests, stop } = await countingPdp(desk.pdpUrl);
  const session = await desk.session("analyst", { pdp });
  const tool = refund({}, session);
  await denialOf(tool({ amount_cents: 9000 }));
  const before = requests();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => tool({ amount_cents: index % 4 === 0 ? 9000 : 1000 + index })),
  );
  expect(requests() - before).toBe(1);
  outcomes.forEach(({ status }, index) => expect(status).toBe(index % 4 === 0 ? "rejected" : "fulfilled"));
  expect(ran).toHaveLength(15);
  await stop();
});
