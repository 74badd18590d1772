import type { OutputUnit, Schema } from "@cfworker/json-schema";
import type { StandardIssue } from "../../core/standard-schema";
import { cleanText } from "../../core/text";

type Lookup = Readonly<Record<string, Schema | boolean>>;

const MAX_EXPECTATION_LENGTH = 160;
const quote = (value: unknown): string => JSON.stringify(value);
const list = (values: unknown): string =>
  Array.isArray(values) ? values.map(quote).join(", ") : quote(values);

/**
 * What a keyword of the schema expects, in words made of the schema alone. The validator's own messages will not do: some hold the value
 * that was found, and a denial echoes nothing that came with the call.
 */
const EXPECTATIONS: Readonly<Record<string, (expected: never) => string>> = {
  type: (type: string | string[]) => `expected ${[type].flat().join(" or ")}`,
  const: (value: unknown) => `expected ${quote(value)}`,
  enum: (values: unknown) => `expected one of ${list(values)}`,
  minimum: (limit: number) => `expected a number of at least ${limit}`,
  maximum: (limit: number) => `expected a number of at most ${limit}`,
  exclusiveMinimum: (limit: number) => `expected a number above ${limit}`,
  exclusiveMaximum: (limit: number) => `expected a number below ${limit}`,
  multipleOf: (divisor: number) => `expected a multiple of ${divisor}`,
  minLength: (length: number) => `expected at least ${length} characters`,
  maxLength: (length: number) => `expected at most ${length} characters`,
  pattern: (pattern: string) => `expected text that matches ${quote(pattern)}`,
  format: (format: string) => `expected a string of the format ${quote(format)}`,
  minItems: (count: number) => `expected at least ${count} items`,
  maxItems: (count: number) => `expected at most ${count} items`,
  uniqueItems: () => "expected items that differ",
  contains: () => "expected an item that is missing",
  minContains: (count: number) => `expected at least ${count} matching items`,
  maxContains: (count: number) => `expected at most ${count} matching items`,
  minProperties: (count: number) => `expected at least ${count} members`,
  maxProperties: (count: number) => `expected at most ${count} members`,
  anyOf: () => "fits none of the forms that are accepted",
  oneOf: () => "must fit exactly one of the forms that are accepted",
  not: () => "is of a form that is not accepted",
  dependentRequired: () => "lacks a member that goes with another one",
  dependencies: () => "lacks a member that goes with another one",
};

/** Keywords about names that the caller chose. Their issues stand at the object itself, because a place in it would repeat the name. */
const UNDECLARED_MEMBERS = new Set([
  "additionalProperties",
  "unevaluatedProperties",
  "patternProperties",
  "propertyNames",
]);

/** The issues for one of the validator's errors; none for an error that only says that something below it failed. */
export function describeExpectation(
  { keyword, keywordLocation, instanceLocation }: OutputUnit,
  value: unknown,
  root: Schema,
  lookup: Lookup,
): readonly StandardIssue[] {
  const path = pointerSteps(instanceLocation);
  const schema = schemaAt(root, lookup, pointerSteps(keywordLocation).slice(0, -1));
  if (keyword === "required") {
    const instance = valueAt(value, path);
    const missing = schema?.required?.filter((name) => !hasMember(instance, name)) ?? [];
    return missing.map((name) => ({ path: [...path, name], message: "is required" }));
  }
  if (UNDECLARED_MEMBERS.has(keyword)) {
    const declared = Object.keys(schema?.properties ?? {});
    const instead = declared.length > 0 ? `; expected ${list(declared)}` : "";
    return [{ path, message: bounded(`has a member that is not accepted${instead}`) }];
  }
  const describe = Object.hasOwn(EXPECTATIONS, keyword) ? EXPECTATIONS[keyword] : undefined;
  return describe ? [{ path, message: bounded(describe(schema?.[keyword] as never)) }] : [];
}

function bounded(text: string): string {
  return cleanText(text, MAX_EXPECTATION_LENGTH);
}

/** `#/items/0/a~1b%20c` as `["items", "0", "a/b c"]`: the validator's pointers are fragments of a URI. */
function pointerSteps(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~"));
}

function schemaAt(root: Schema, lookup: Lookup, steps: readonly string[]): Schema | undefined {
  let current: unknown = root;
  for (const step of steps) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    const { __absolute_ref__: target } = current as Schema;
    current =
      step === "$ref" && target !== undefined ? lookup[target] : (current as Record<string, unknown>)[step];
  }
  return typeof current === "object" && current !== null ? current : undefined;
}

function valueAt(value: unknown, steps: readonly string[]): unknown {
  let current = value;
  for (const step of steps) current = hasMember(current, step) ? current[step] : undefined;
  return current;
}

function hasMember(value: unknown, name: string): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name);
}
