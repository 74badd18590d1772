import { z } from "zod";
import { describe, expect, it } from "vitest";
import { ConfigurationError, type StandardIssue, type StandardSchema } from "hopguard";
import { jsonSchema, toStandardSchema } from "../../src/adapters/shared/json-schema";

const refund = {
  type: "object",
  properties: {
    ticket_id: { type: "string", minLength: 1 },
    amount_cents: { type: "integer", minimum: 1, maximum: 1_000_000 },
    reason: { enum: ["damaged", "late"] },
    "odd/name ~x": { type: "boolean" },
  },
  required: ["ticket_id", "amount_cents"],
  additionalProperties: false,
};

async function issuesOf(schema: StandardSchema, value: unknown): Promise<readonly StandardIssue[]> {
  const { issues = [] } = await schema["~standard"].validate(value);
  return issues;
}

const written = (issues: readonly StandardIssue[]): string[] =>
  issues.map(({ path = [], message }) => `${(path as string[]).join(".")}: ${message}`);

describe("a JSON Schema as a Standard Schema", () => {
  const schema = jsonSchema(refund);

  it("returns the very same value when it is valid", async () => {
    const value = { ticket_id: "T-1", amount_cents: 400 };
    const result = await schema["~standard"].validate(value);
    expect(result).toEqual({ value });
    expect("value" in result && result.value).toBe(value);
  });

  it.each([
    [{ ticket_id: "T-1", amount_cents: "9000" }, "amount_cents: expected integer"],
    [{ ticket_id: "T-1", amount_cents: null }, "amount_cents: expected integer"],
    [{ ticket_id: "T-1", amount_cents: [9000] }, "amount_cents: expected integer"],
    [{ ticket_id: "T-1", amount_cents: { v: 9000 } }, "amount_cents: expected integer"],
    [{ ticket_id: "T-1", amount_cents: true }, "amount_cents: expected integer"],
    [{ ticket_id: "T-1", amount_cents: 0.5 }, "amount_cents: expected integer"],
    [{ ticket_id: "T-1" }, "amount_cents: is required"],
    [{ ticket_id: "T-1", amount_cents: 0 }, "amount_cents: expected a number of at least 1"],
    [{ ticket_id: "T-1", amount_cents: 2_000_000 }, "amount_cents: expected a number of at most 1000000"],
    [{ ticket_id: "", amount_cents: 1 }, "ticket_id: expected at least 1 characters"],
    [{ ticket_id: "T-1", amount_cents: 1, reason: "because" }, 'reason: expected one of "damaged", "late"'],
    [{ ticket_id: "T-1", amount_cents: 1, "odd/name ~x": 1 }, "odd/name ~x: expected boolean"],
    [[], ": expected object"],
  ])("says of %j what was expected where", async (value, expected) => {
    expect(written(await issuesOf(schema, value))).toContain(expected);
  });

  it("names every member that is missing", async () => {
    const issues = written(await issuesOf(schema, {}));
    expect(issues).toEqual(["ticket_id: is required", "amount_cents: is required"]);
  });

  it.each([
    refund,
    { type: "object", additionalProperties: { type: "number" } },
    { type: "object", patternProperties: { secret: { type: "number" } } },
    { type: "object", propertyNames: { maxLength: 2 } },
    { type: "object", unevaluatedProperties: false },
    { type: "object", minProperties: 4, maxProperties: 0 },
    { not: { type: "object" } },
    { const: { a: 1 } },
    { anyOf: [{ type: "number" }, { required: ["b"] }] },
    { oneOf: [{ type: "number" }, { additionalProperties: false }] },
    { type: "object", dependentRequired: { secret_name: ["b"] } },
    { type: "object", additionalProperties: { type: "object", properties: { deep: { const: 1 } } } },
    { type: "object", properties: { list: { type: "array", items: { multipleOf: 7 }, maxItems: 1 } } },
  ])("repeats neither a value nor a name that the caller chose, under %j", async (given) => {
    const value = {
      secret_name: "secret-value",
      list: [424242, 434343],
      nested: { deep: "secret-value" },
      [`secret "quoted" name`]: { deep: 424242 },
    };
    const issues = await issuesOf(jsonSchema(given), value);
    expect(issues.length).toBeGreaterThan(0);
    expect(JSON.stringify(issues)).not.toMatch(/secret-value|secret "quoted|424242|434343/);
    expect(written(issues).join()).not.toMatch(/nested/);
  });

  it("explains a failed union once, and not by each of its branches", async () => {
    const union = jsonSchema({ properties: { to: { anyOf: [{ type: "string" }, { type: "number" }] } } });
    expect(written(await issuesOf(union, { to: true }))).toEqual([
      "to: fits none of the forms that are accepted",
    ]);
  });

  it("finds the expectation behind a $ref, a recursive one included", async () => {
    const tree = jsonSchema({
      $ref: "#/$defs/node",
      $defs: {
        node: {
          type: "object",
          properties: { size: { type: "integer" }, child: { $ref: "#/$defs/node" } },
          required: ["size"],
        },
      },
    });
    expect(await issuesOf(tree, { size: 1, child: { size: 2 } })).toEqual([]);
    expect(written(await issuesOf(tree, { size: 1, child: { size: "2" } }))).toEqual([
      "child.size: expected integer",
    ]);
  });

  it.each<[string, object]>([
    ["an anchor", { $defs: { n: { $anchor: "n", type: "number" } }, properties: { a: { $ref: "#n" } } }],
    [
      "an $id of its own",
      {
        $id: "https://tools.example/refund.json",
        $defs: { n: { $id: "n.json", type: "number" } },
        properties: { a: { $ref: "n.json" } },
      },
    ],
    [
      "draft 4's id",
      {
        $schema: "http://json-schema.org/draft-04/schema#",
        definitions: { n: { id: "#n", type: "number" } },
        properties: { a: { $ref: "#n" } },
      },
    ],
  ])("finds a subschema by %s", async (_what, given) => {
    expect(await issuesOf(jsonSchema(given), { a: 1 })).toEqual([]);
    expect(written(await issuesOf(jsonSchema(given), { a: "1" }))).toEqual(["a: expected number"]);
  });

  it("takes an annotation that looks like a schema for none, unless a $ref leads to it", async () => {
    const a = { type: "number", example: { type: "refund", required: true }, "x-ui": { type: "textarea" } };
    const given = { properties: { a }, errorMessage: { required: { a: "Say how much." } } };
    expect(written(await issuesOf(jsonSchema(given), { a: "1" }))).toEqual(["a: expected number"]);
    const referring = { properties: { a, b: { $ref: "#/properties/a/x-ui" } } };
    expect(() => jsonSchema(referring)).toThrow("type");
    const inComponents = {
      components: { schemas: { n: { type: "number" } } },
      properties: { a: { $ref: "#/components/schemas/n" } },
    };
    expect(written(await issuesOf(jsonSchema(inComponents), { a: "1" }))).toEqual(["a: expected number"]);
  });

  it("knows the keywords of a member whatever the member is called that it depends on", () => {
    expect(() => jsonSchema({ dependencies: { default: { minLength: "5" } } })).toThrow("minLength");
  });

  it("reads draft-07's own keywords by its $schema", async () => {
    const draft7 = jsonSchema({
      $schema: "http://json-schema.org/draft-07/schema#",
      definitions: { id: { type: "string" } },
      properties: {
        id: { $ref: "#/definitions/id" },
        pair: { items: [{ type: "string" }], additionalItems: false },
      },
    });
    expect(await issuesOf(draft7, { id: "a", pair: ["x"] })).toEqual([]);
    expect(await issuesOf(draft7, { id: 1 })).toHaveLength(1);
    expect(await issuesOf(draft7, { pair: ["x", "y"] })).toHaveLength(1);
  });

  it("checks formats, and takes the names of the prototype for what they are", async () => {
    const formats = jsonSchema({
      properties: { at: { type: "string", format: "date-time" }, constructor: { type: "number" } },
      required: ["constructor"],
    });
    expect(written(await issuesOf(formats, { at: "yesterday", constructor: 1 }))).toEqual([
      'at: expected a string of the format "date-time"',
    ]);
    expect(written(await issuesOf(formats, {}))).toEqual(["constructor: is required"]);
  });

  it("leaves the given schema as it is, frozen or not", () => {
    const frozen = Object.freeze({ type: "object", properties: Object.freeze({ a: Object.freeze({}) }) });
    jsonSchema(frozen);
    expect(Reflect.ownKeys(frozen)).toEqual(["type", "properties"]);
  });
});

describe("a JSON Schema that cannot be checked against", () => {
  it.each([
    ["a foreign $ref", { $ref: "https://example.com/schema.json" }, "leads nowhere"],
    ["a $ref to nowhere", { properties: { a: { $ref: "#/$defs/b" } } }, "leads nowhere"],
    ["an unknown dialect", { $schema: "https://example.com/dialect" }, "dialect"],
    ["a dialect that is no text", { $schema: 7 }, "dialect"],
    ["a dynamic reference", { properties: { a: { $dynamicRef: "#a" } } }, "$dynamicRef"],
    ["a pattern that is none", { properties: { a: { pattern: "(" } } }, "regular expression"],
    ["a limit that is none", { properties: { a: { minLength: "5" } } }, "minLength"],
    ["a type that is none", { properties: { a: { type: ["string", "any"] } } }, "type"],
    ["required as it was in draft 3", { properties: { a: { required: true } } }, "required"],
    ["properties that are none", { properties: { a: null } }, "properties"],
    ["a multiple of nothing", { multipleOf: 0 }, "multipleOf"],
    [
      "draft 4's exclusive limit in a later draft",
      { maximum: 5, exclusiveMaximum: true },
      "exclusiveMaximum",
    ],
    ["more text than a tool needs", { description: "x".repeat(300_000) }, "longer"],
    ["no object", "object", "expected a JSON Schema object"],
    ["nothing", undefined, "JSON"],
    ["a list", [], "expected a JSON Schema object"],
    ["nesting without end", JSON.parse('{"not":'.repeat(100) + "{}" + "}".repeat(100)), "deep"],
  ])("is refused when it is made: %s", (_what, given, problem) => {
    expect(() => jsonSchema(given, "tools.refund_issue.schema")).toThrow(ConfigurationError);
    expect(() => jsonSchema(given, "tools.refund_issue.schema")).toThrow(problem);
    expect(() => jsonSchema(given, "tools.refund_issue.schema")).toThrow("tools.refund_issue.schema: ");
  });
});

describe("toStandardSchema", () => {
  it("takes a Standard Schema as it is, functions with one included", () => {
    const zod = z.strictObject({ a: z.int() });
    expect(toStandardSchema(zod)).toBe(zod);
    const callable = Object.assign(() => undefined, { "~standard": zod["~standard"] });
    expect(toStandardSchema(callable)).toBe(callable);
  });

  it("makes one of a JSON Schema", async () => {
    expect(await issuesOf(toStandardSchema(refund), { ticket_id: "T-1", amount_cents: 1 })).toEqual([]);
  });
});

describe("a schema that takes too long", () => {
  const twice = (level: number): object => ({
    allOf: Array(2).fill({ $ref: `#/$defs/${level}` }) as object[],
  });
  const fanOut: Record<string, object> = { 40: {} };
  for (let level = 0; level < 40; level++) fanOut[level] = twice(level + 1);

  const deep = (levels: number): unknown =>
    Array.from({ length: levels }).reduce<unknown>((inner) => ({ a: inner }), 1);

  const listOf = <T>(length: number, item: (index: number) => T): T[] =>
    Array.from({ length }, (_, index) => item(index));
  const manyNames = Object.fromEntries(listOf(10_000, (index) => [`k${index}`, {}]));

  it.each<[string, object, unknown]>([
    [
      "by references that fan out",
      {
        $ref: "#/$defs/0",
        $defs: fanOut,
      },
      {},
    ],
    [
      "by alternatives within alternatives",
      {
        $ref: "#/$defs/s",
        $defs: {
          s: {
            anyOf: [
              { properties: { a: { $ref: "#/$defs/s" }, b: false }, required: ["c"] },
              { properties: { a: { $ref: "#/$defs/s" } }, required: ["c"] },
            ],
          },
        },
      },
      deep(60),
    ],
    ["by a reference to itself", { $ref: "#" }, {}],
    ["by long lists of names", { items: { properties: manyNames } }, listOf(10_000, () => ({}))],
    [
      "by long lists of values",
      { items: { not: { enum: Object.keys(manyNames).map((name) => ({ name })) } } },
      listOf(10_000, () => ({ name: "x" })),
    ],
    [
      "by items that are compared, each with each",
      { uniqueItems: true },
      [...listOf(10_000, (id) => ({ id })), { id: 9999 }],
    ],
  ])("%s ends, and lets nothing through", async (_case, schema, value) => {
    const usable = jsonSchema(schema);
    const began = performance.now();
    expect(await issuesOf(usable, value)).toEqual([{ message: "takes too many steps to check" }]);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it("is none for a list of items that differ, nor for one that is found out at once", async () => {
    const schema = jsonSchema({ uniqueItems: true });
    const list = listOf(30_000, (id) => ({ id: [id] }));
    const began = performance.now();
    expect(await issuesOf(schema, list)).toEqual([]);
    expect(await issuesOf(schema, [{ id: [0] }, ...list.slice(0, 500)])).toEqual([
      { path: [], message: "expected items that differ" },
    ]);
    expect(performance.now() - began).toBeLessThan(1000);
    expect(
      await issuesOf(schema, [
        { a: 1, b: 2 },
        { b: 2, a: 1 },
      ]),
    ).toHaveLength(1);
    expect(await issuesOf(schema, [1, "1", true, [1]])).toEqual([]);
  });

  it("is none for a megabyte of ordinary arguments", async () => {
    const items = { type: "object", properties: { id: { type: "integer" } }, required: ["id"] };
    const schema = jsonSchema({ properties: { list: { type: "array", items } } });
    const list = Array.from({ length: 80_000 }, (_, id) => ({ id }));
    expect(await schema["~standard"].validate({ list })).toEqual({ value: { list } });
    // The count begins anew with each check.
    for (let times = 0; times < 10; times++) await schema["~standard"].validate({ list });
  });
});
