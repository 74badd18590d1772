import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidJsonError } from "../../src/core/json";
import { parseStrictJson } from "../../src/core/strict-json";

const nested = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

/** JSON that any two readers read alike: strings are well-formed and no member is named `__proto__`. */
const plainJson = fc
  .jsonValue({ maxDepth: 6, stringUnit: "grapheme-composite" })
  .map((value) => JSON.stringify(value))
  .filter((text) => !text.includes("__proto__"))
  .map((text) => JSON.parse(text) as unknown);

const refusal = (text: string, options?: Parameters<typeof parseStrictJson>[1]): string => {
  try {
    parseStrictJson(text, options);
  } catch (error) {
    if (error instanceof InvalidJsonError) return error.message;
    throw error;
  }
  return "accepted";
};

describe("duplicate members", () => {
  it.each([
    ["at the top", '{"model":"a","model":"b"}'],
    ["with equal values", '{"a":1,"a":1}'],
    ["three levels down", '{"a":{"b":[{"c":1,"d":2,"c":3}]}}'],
    ["in an array's object", '[{"x":1},{"x":1,"x":2}]'],
    ["spelt with an escape", '{"model":"a","mod\\u0065l":"b"}'],
    ["spelt with two escapes", '{"mod\\u0065l":"a","\\u006dodel":"b"}'],
    ["with empty names", '{"":1,"":2}'],
    ["that hide an object", '{"a":{"b":{"c":1}},"a":2}'],
    ["that hide an array of objects", '{"a":[{"b":1}],"a":[]}'],
    ["with a quote in the name", '{"a\\"":1,"a\\"":2}'],
    ["with a backslash in the name", '{"a\\\\":1,"a\\\\":2}'],
    ["with a colon in the name", '{"a:":1,"a:":2}'],
  ])("are refused %s", (_, text) => {
    expect(refusal(text)).toBe("holds a member twice");
  });

  it("are told from the same name in two objects", () => {
    expect(parseStrictJson('{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}')).toEqual({
      a: { a: { a: 1 } },
      b: [{ a: 1 }, { a: 2 }],
    });
  });

  it("are not seen in strings that hold quotes, colons, backslashes and braces", () => {
    const value = {
      a: '":"',
      b: 'x\\":{"c":1}',
      c: "\\",
      d: '\\"',
      e: "a:b:c",
      f: '{"a":1,"a":2}',
      g: "\\\\",
    };
    expect(parseStrictJson(JSON.stringify(value))).toEqual(value);
  });
});

describe("members that differ only in case", () => {
  it.each([
    ["name and Name", '{"name":"a","Name":"b"}'],
    ["a long s, which Go takes for an s", '{"params":{},"param\u017f":{}}'],
    ["a Kelvin sign, which Go takes for a k", '{"token":1,"to\u212aen":2}'],
    ["in the envelopes of a batch", '[{"id":1,"ID":2}]'],
  ])("are refused in the envelope: %s", (_, text) => {
    expect(refusal(text)).toBe("holds members whose names differ only in case");
  });

  it("are two members below the envelope, unless more levels are folded", () => {
    expect(parseStrictJson('{"params":{"a":1,"A":2}}')).toEqual({ params: { a: 1, A: 2 } });
    expect(refusal('{"params":{"a":1,"A":2}}', { foldedLevels: 2 })).toContain("differ only in case");
    expect(parseStrictJson('{"a":1,"A":2}', { foldedLevels: 0 })).toEqual({ a: 1, A: 2 });
  });
});

describe("names of members", () => {
  it.each([
    ["__proto__", '{"__proto__":{"admin":true}}', "__proto__"],
    ["__proto__ deep down", '{"a":[{"__proto__":1}]}', "__proto__"],
    ["__proto__ by escapes", '{"__pr\\u006fto__":1}', "__proto__"],
    ["a control character", '{"a\\u0000":1}', "control characters"],
    ["a line feed", '{"a\\n":1}', "control characters"],
    ["a C1 control character", '{"a\\u009b":1}', "control characters"],
    ["a lone surrogate", '{"a\\ud800":1}', "ill-formed Unicode"],
  ])("are refused with %s", (_, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it("may be those of Object.prototype", () => {
    const value = parseStrictJson('{"constructor":1,"toString":2,"hasOwnProperty":3}');
    expect(Object.entries(value as object)).toEqual([
      ["constructor", 1],
      ["toString", 2],
      ["hasOwnProperty", 3],
    ]);
  });
});

describe("strings", () => {
  it.each(['"\\ud800"', '"a\\udc00b"', '{"a":["\\udbff"]}', '"\\udc00\\ud800"'])(
    "are refused with a lone surrogate: %s",
    (text) => expect(refusal(text)).toBe("holds ill-formed Unicode"),
  );

  it("keep a surrogate pair and control characters that are escaped", () => {
    expect(parseStrictJson('["\\ud83d\\ude00","\\u0000\\n"]')).toEqual(["😀", "\u0000\n"]);
  });

  it.each([
    ["plain text", "x"],
    ["escaped quotes", '\\"'],
    ["escaped backslashes", "\\\\"],
    ["text between escapes", "ab\\n"],
  ])("of twenty megabytes do not exhaust the stack: %s", (_, unit) => {
    const text = `{"a":"${unit.repeat(20_000_000 / unit.length)}","b":1}`;
    expect(Object.keys(parseStrictJson(text, { maxLength: 30_000_000 }) as object)).toEqual(["a", "b"]);
  });
});

describe("numbers", () => {
  it.each([
    "9007199254740993",
    "-9007199254740993",
    "9007199254740992.5",
    "1e400",
    "-1e400",
    "1e-400",
    "0.1000000000000000055511151231257827",
    "12345678901234567890",
    `1${"0".repeat(400)}`,
  ])("are refused when a double changes them: %s", (number) => {
    expect(refusal(`{"amount":${number}}`)).toBe("holds a number that does not fit a double");
  });

  it.each([
    "0",
    "-0",
    "0.0",
    "-0.00",
    "0e5",
    "1.10",
    "0.30000000000000004",
    "1E5",
    "1e+5",
    "1.5e-7",
    "9007199254740991",
    "9007199254740992",
    "1e21",
    "123456789012345680000",
    "1.7976931348623157e308",
    "5e-324",
    "0.000001",
    "100",
    "-12.50",
  ])("are accepted when a double prints their value again: %s", (number) => {
    expect(parseStrictJson(`[${number}]`)).toEqual([Number(number)]);
  });

  it("are refused at once, however many zeros stand before the last digit", () => {
    const started = performance.now();
    expect(refusal(`[1.${"0".repeat(1_000_000)}1]`)).toBe("holds a number that does not fit a double");
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  it("are not looked for in strings", () => {
    expect(parseStrictJson('{"9007199254740993":"1e400 \\" 9007199254740993"}')).toEqual({
      "9007199254740993": '1e400 " 9007199254740993',
    });
  });
});

describe("limits", () => {
  it("refuse 200 levels, and accept 64", () => {
    expect(refusal(nested(200))).toBe("is nested more than 64 levels deep");
    expect(refusal(nested(65))).toBe("is nested more than 64 levels deep");
    expect(refusal(nested(64))).toBe("accepted");
    expect(refusal(nested(200), { maxDepth: 200 })).toBe("accepted");
  });

  it("refuse a hundred thousand levels without exhausting the stack", () => {
    expect(refusal(nested(100_000))).toBe("is nested more than 64 levels deep");
  });

  it("refuse what is too long before it is parsed", () => {
    expect(refusal(`"${"x".repeat(1_048_576)}"`)).toBe("is longer than 1048576 characters of JSON");
    expect(refusal("not JSON at all", { maxLength: 5 })).toBe("is longer than 5 characters of JSON");
  });
});

describe("what is no JSON", () => {
  it.each([
    "",
    " ",
    "{",
    "{a:1}",
    "[1,]",
    "NaN",
    "undefined",
    "'a'",
    '{"a":1}{"a":1}',
    "\ufeff{}",
    '"\n"',
    "01",
  ])("is refused without an echo: %j", (text) => expect(refusal(text)).toBe("is not JSON"));
});

it("gives the value that was serialised, frozen to its leaves", () => {
  fc.assert(
    fc.property(plainJson, (value) => {
      const parsed = parseStrictJson(JSON.stringify(value), { foldedLevels: 0 });
      expect(parsed).toStrictEqual(value);
      const frozen = (item: unknown): boolean =>
        typeof item !== "object" ||
        item === null ||
        (Object.isFrozen(item) && Object.values(item).every(frozen));
      expect(frozen(parsed)).toBe(true);
    }),
  );
});

it("refuses random JSON into which one member was put twice", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string({ unit: "grapheme" }), plainJson, { minKeys: 1 }),
      fc.nat(),
      plainJson,
      fc.nat({ max: 5 }),
      (object, pick, value, depth) => {
        const members = Object.entries(object).map(
          ([key, member]) => `${JSON.stringify(key)}:${JSON.stringify(member)}`,
        );
        const key = Object.keys(object)[pick % members.length];
        const doubled = `{${[...members, `${JSON.stringify(key)}:${JSON.stringify(value)}`].join(",")}}`;
        const wrapped = `${'{"w":['.repeat(depth)}${doubled}${"]}".repeat(depth)}`;
        expect(refusal(wrapped, { foldedLevels: 0 })).not.toBe("accepted");
      },
    ),
  );
});

it("that is short and holds millions of values is refused, and not read for seconds", () => {
  const numbers = `[${Array.from({ length: 1_000_001 }, () => 1).join()}]`;
  const limits = { maxLength: 10_000_000 };
  expect(() => parseStrictJson(numbers, limits)).toThrow("holds more than 1000000 values");
  expect(() => parseStrictJson("[1,[2],{}]", { maxValues: 4 })).toThrow("holds more than 4 values");
  expect(parseStrictJson("[1,[2],{}]", { maxValues: 5 })).toEqual([1, [2], {}]);
});
