import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, digestJson } from "../../src/core/digest";
import { InvalidJsonError, snapshot, type JsonValue } from "../../src/core/json";

const refusal = (value: unknown, limits?: Parameters<typeof snapshot>[1]): string => {
  try {
    snapshot(value, limits);
  } catch (error) {
    if (error instanceof InvalidJsonError) return error.message;
    throw error;
  }
  return "accepted";
};

describe("a snapshot", () => {
  it("asks a getter once", () => {
    let reads = 0;
    const taken = snapshot({
      get amount() {
        return ++reads === 1 ? 100 : 900_000;
      },
    });
    expect(taken).toEqual({ amount: 100 });
    expect(taken).toEqual({ amount: 100 });
    expect(reads).toBe(1);
  });

  it("asks toJSON once, and keeps what it answered", () => {
    let reads = 0;
    const taken = snapshot({ order: { toJSON: () => ({ call: ++reads }) } });
    expect(taken).toEqual({ order: { call: 1 } });
    expect(reads).toBe(1);
  });

  it("reads a proxy once, and answers with plain data", () => {
    const reads: string[] = [];
    const proxy = new Proxy(
      { amount: 1 },
      {
        get(target, key) {
          if (key !== "toJSON") reads.push(String(key));
          return Reflect.get(target, key) as unknown;
        },
      },
    );
    expect(snapshot({ proxy })).toEqual({ proxy: { amount: 1 } });
    expect(reads).toEqual(["amount"]);
  });

  it("stays as it was, whatever happens to the original", () => {
    const original = { amount: 1, list: [{ deep: 1 }] };
    const taken = snapshot(original);
    original.amount = 2;
    original.list[0] = { deep: 2 };
    original.list.push({ deep: 3 });
    expect(taken).toEqual({ amount: 1, list: [{ deep: 1 }] });
  });

  it("is frozen to its leaves", () => {
    const taken = snapshot({ a: { b: [{ c: 1 }] } }) as unknown as { a: { b: { c: number }[] } };
    expect(() => (taken.a = { b: [] })).toThrow(TypeError);
    expect(() => taken.a.b.push({ c: 2 })).toThrow(TypeError);
    expect(() => ((taken.a.b[0] as { c: number }).c = 2)).toThrow(TypeError);
  });

  it("is what goes over the wire", () => {
    const sent = {
      date: new Date(0),
      map: new Map([["a", 1]]),
      boxed: Object(7) as unknown,
      missing: undefined,
      call: () => 1,
      list: [undefined, NaN, Infinity, -0],
      symbol: Symbol("x"),
    };
    expect(snapshot(sent)).toStrictEqual({
      date: "1970-01-01T00:00:00.000Z",
      map: {},
      boxed: 7,
      list: [null, null, null, 0],
    });
  });

  it("does not inherit", () => {
    expect(snapshot(Object.create({ admin: true }, { id: { value: 1, enumerable: true } }))).toEqual({
      id: 1,
    });
  });
});

describe("a snapshot is refused", () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = { again: cyclic };
  let deep: unknown = 1;
  for (let level = 0; level < 200; level++) deep = { deep };
  let abyss: unknown = 1;
  for (let level = 0; level < 200_000; level++) abyss = [abyss];

  it.each([
    ["a cycle", cyclic],
    ["a bigint", { amount: 1n }],
    ["a function alone", () => 1],
    ["a symbol alone", Symbol("x")],
    ["undefined", undefined],
    [
      "a getter that throws",
      {
        get a(): never {
          throw new Error("no");
        },
      },
    ],
    ["a revoked proxy", revokedProxy()],
    ["nesting beyond the stack", abyss],
  ])("of %s", (_, value) => {
    expect(refusal(value)).toBe("cannot be represented as JSON");
  });

  it("of 200 levels", () => expect(refusal(deep)).toBe("is nested more than 64 levels deep"));

  it("of five megabytes", () =>
    expect(refusal({ text: "x".repeat(5_000_000) })).toBe("is longer than 1048576 characters of JSON"));

  it.each([
    ["an own member named __proto__", JSON.parse('{"__proto__":{"admin":true}}'), "__proto__"],
    ["a lone surrogate in a value", { a: "\ud800" }, "ill-formed Unicode"],
    ["a lone surrogate in a name", { "a\udc00": 1 }, "ill-formed Unicode"],
    ["a control character in a name", { "a\u001b": 1 }, "control characters"],
  ])("of %s", (_, value, message) => expect(refusal(value)).toContain(message));
});

describe("a digest", () => {
  it("is the same for the same members in another order", async () => {
    expect(await digestJson({ a: 1, b: { c: [1, 2], d: null } })).toBe(
      await digestJson({ b: { d: null, c: [1, 2] }, a: 1 }),
    );
  });

  it("is another for another order of a list, another type, another member", async () => {
    const digests = await Promise.all(
      [{ a: [1, 2] }, { a: [2, 1] }, { a: ["1", 2] }, { a: [1, 2], b: null }].map((value) =>
        digestJson(value),
      ),
    );
    expect(new Set(digests).size).toBe(4);
    expect(digests[0]).toMatch(/^sha-256:[0-9a-f]{64}$/);
  });

  it("is of text that any JSON reader takes for the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value as JsonValue))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
