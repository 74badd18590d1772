import { dereference, validate, type OutputUnit, type Schema, type SchemaDraft } from "@cfworker/json-schema";
import { ConfigurationError } from "../../core/errors";
import { canonicalJson } from "../../core/digest";
import { InvalidJsonError, isJsonObject, snapshot, type JsonObject, type JsonValue } from "../../core/json";
import type { StandardIssue, StandardSchema } from "../../core/standard-schema";
import { assertKeywords, subschemasOf } from "./json-schema-keywords";
import { describeExpectation } from "./json-schema-issues";

/** A schema of a quarter of a megabyte describes no tool that a model could call. */
const LIMITS = { maxDepth: 64, maxLength: 262_144 };

/** By `$schema`, without its scheme and its trailing `#`. Without `$schema`, MCP means 2020-12. */
const DRAFTS: ReadonlyMap<string, SchemaDraft> = new Map([
  ["json-schema.org/draft-04/schema", "4"],
  ["json-schema.org/draft-06/schema", "7"],
  ["json-schema.org/draft-07/schema", "7"],
  ["json-schema.org/draft/2019-09/schema", "2019-09"],
  ["json-schema.org/draft/2020-12/schema", "2020-12"],
]);
const DEFAULT_DRAFT: SchemaDraft = "2020-12";

/** As many subschemas as one check may visit: an honest schema needs thousands for a megabyte of arguments. */
const MAX_VISITS = 1_000_000;
/** Milliseconds: a visit takes as long as its lists of names and values are, and what it looks at. An honest check of a megabyte takes a few hundred. */
const MAX_MS = 3_000;
/** A clock is read every so many visits. */
const VISITS_A_LOOK = 64;
/** Each is held against each member of an object, in one visit. */
const MAX_PATTERNS = 100;
/** Values, and characters of objects, that the validator may compare in order to find an item that is there twice. */
const MAX_COMPARED = 50_000_000;

/**
 * Makes a Standard Schema of a JSON Schema (drafts 4, 6, 7, 2019-09 and 2020-12), without generating code. Nothing is ever
 * fetched: a `$ref` leads to a place in the same schema. Its issues say what was expected where, and never what was found.
 *
 * @throws {ConfigurationError} naming the option, for a schema that cannot be checked against: not JSON, too large, of an unknown
 * dialect, with a `$ref` that leads nowhere.
 */
export function jsonSchema(given: unknown, option = "schema"): StandardSchema {
  const { schema, draft, lookup, visits } = compile(given, option);
  return Object.freeze({
    "~standard": Object.freeze({
      version: 1,
      vendor: "hopguard",
      validate: (value: unknown) => {
        visits.left = MAX_VISITS;
        visits.until = performance.now() + MAX_MS;
        try {
          visits.isDistinct = !visits.asksForDistinct || isDistinct(value as JsonValue);
          const { valid, errors } = validate(value, schema, draft, lookup);
          return valid ? { value } : { issues: toIssues(errors, value, schema, lookup) };
        } catch {
          // Too many visits, or too long ones, or too deep for the stack.
          return { issues: [{ message: "takes too many steps to check" }] };
        }
      },
    }),
  });
}

/**
 * Takes a Standard Schema (zod, valibot, arktype) as it is and makes one of a JSON Schema.
 *
 * @throws {ConfigurationError} naming the option.
 */
export function toStandardSchema(given: unknown, option = "schema"): StandardSchema {
  return isStandardSchema(given) ? given : jsonSchema(given, option);
}

function isStandardSchema(value: unknown): value is StandardSchema {
  // arktype's schemas are functions.
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = (value as Partial<StandardSchema>)["~standard"];
  return typeof standard?.validate === "function";
}

interface Compiled {
  readonly schema: Schema;
  readonly draft: SchemaDraft;
  /** Every subschema by its absolute URI: the only places that a `$ref` can lead to. */
  readonly lookup: Record<string, Schema | boolean>;
  readonly visits: Visits;
}

interface Visits {
  /** How many subschemas the check under way may still visit, and until when. */
  left: number;
  until: number;
  /** Whether `uniqueItems` stands anywhere in the schema. */
  asksForDistinct: boolean;
  /** Whether it is met already: no list in what is checked holds an item twice. */
  isDistinct: boolean;
}

function compile(given: unknown, option: string): Compiled {
  const unfit = (problem: string, cause?: unknown): ConfigurationError =>
    new ConfigurationError(`${option}: ${problem}`, { cause });
  let plain: JsonObject;
  try {
    const value = snapshot(given, LIMITS);
    if (!isJsonObject(value)) throw unfit("expected a JSON Schema object or a Standard Schema");
    plain = value;
  } catch (error) {
    throw error instanceof InvalidJsonError ? unfit(`the JSON Schema ${error.message}`, error) : error;
  }
  const draft = plain.$schema === undefined ? DEFAULT_DRAFT : DRAFTS.get(dialect(plain.$schema));
  if (draft === undefined) throw unfit("the JSON Schema's $schema names a dialect that is not known");

  // A copy of its own, because dereferencing writes the absolute URIs into it.
  const schema = structuredClone(plain) as Schema;
  const visits: Visits = { left: MAX_VISITS, until: Infinity, asksForDistinct: false, isDistinct: false };
  let lookup: Compiled["lookup"];
  try {
    lookup = dereference(schema);
    for (const subschema of reachable(schema, lookup)) {
      assertKeywords(subschema, draft === "4");
      assertUsable(subschema, lookup);
      countVisits(subschema, visits);
    }
  } catch (error) {
    throw unfit(`the JSON Schema cannot be used (${(error as Error).message})`, error);
  }
  return { schema, draft, lookup, visits };
}

function dialect(uri: unknown): string {
  return typeof uri === "string" ? uri.replace(/^https?:\/\//, "").replace(/#$/, "") : "";
}

/**
 * Every subschema that a check can come by, each once: one with an anchor or an `$id` has several URIs. An annotation (`example`, `x-ui`) may look
 * like a schema, and is one only where a `$ref` leads to it.
 */
function reachable(root: Schema, lookup: Compiled["lookup"]): ReadonlySet<Schema> {
  const found = new Set<Schema>([root]);
  // What is added meanwhile is gone through, too.
  for (const schema of found) {
    const { __absolute_ref__: target } = schema;
    const inner = [...subschemasOf(schema), target === undefined ? undefined : lookup[target]];
    for (const subschema of inner) if (isJsonObject(subschema)) found.add(subschema);
  }
  return found;
}

/** Finds now what would fail, or be passed over, when arguments are checked. */
function assertUsable(schema: Schema, lookup: Compiled["lookup"]): void {
  const { $ref, __absolute_ref__: target = "", pattern, patternProperties = {} } = schema;
  if ($ref !== undefined && lookup[target] === undefined) throw new Error("a $ref leads nowhere");
  if (Object.keys(patternProperties).length > MAX_PATTERNS) throw new Error("too many patternProperties");
  for (const text of [...(pattern === undefined ? [] : [pattern]), ...Object.keys(patternProperties)]) {
    if (!isPattern(text)) throw new Error("a pattern is not a regular expression");
  }
}

/**
 * References that fan out, and alternatives within alternatives, take a time that grows with a power of the schema's depth. The validator looks
 * at every keyword of a subschema when it comes by, and at this one, which is of no use without `$recursiveRef`, it finds the counter.
 */
function countVisits(schema: Schema, visits: Compiled["visits"]): void {
  Object.defineProperty(schema, "$recursiveAnchor", {
    get: () => {
      const isLate = visits.left % VISITS_A_LOOK === 0 && performance.now() > visits.until;
      if (--visits.left < 0 || isLate) throw new Error("the schema takes too many steps to check");
      return undefined;
    },
  });
  if (schema.uniqueItems !== true) return;
  visits.asksForDistinct = true;
  // The validator compares each item with each: 50,000 of them would take it minutes. It is told of nothing to do where there is nothing to find.
  Object.defineProperty(schema, "uniqueItems", { get: () => !visits.isDistinct, enumerable: true });
}

/**
 * Whether no list in a value holds an item twice.
 *
 * @throws {Error} where one does, and the validator would take too long to find out which.
 */
function isDistinct(root: JsonValue): boolean {
  const twice: JsonValue[] = [];
  let compared = 0;
  const visit = (value: JsonValue): void => {
    if (typeof value !== "object" || value === null) return;
    const members = Object.values(value) as readonly JsonValue[];
    members.forEach(visit);
    if (!Array.isArray(value)) return;
    const texts = members.map(canonicalJson);
    const last = new Map(texts.map((text, index) => [text, index]));
    const first = texts.findIndex((text, index) => last.get(text) !== index);
    if (first >= 0) twice.push(value);
    // Up to the first that is there twice, each with all others; of objects, member by member.
    const all = texts.reduce((sum, text, at) => sum + (typeof members[at] === "object" ? text.length : 1), 0);
    compared += (first < 0 ? members.length : first + 1) * all;
  };
  visit(root);
  if (twice.length > 0 && compared > MAX_COMPARED)
    throw new Error("the items take too many steps to compare");
  return twice.length === 0;
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, "u") instanceof RegExp;
  } catch {
    return false;
  }
}

function toIssues(
  errors: readonly OutputUnit[],
  value: unknown,
  schema: Schema,
  lookup: Compiled["lookup"],
): readonly StandardIssue[] {
  const issues: StandardIssue[] = [];
  let explained: string | undefined;
  for (const error of errors) {
    // What was explained as a whole, such as a failed anyOf, is followed by the errors of its parts.
    if (explained !== undefined && `${error.keywordLocation}/`.startsWith(`${explained}/`)) continue;
    const found = describeExpectation(error, value, schema, lookup);
    if (found.length === 0) continue;
    explained = error.keywordLocation;
    issues.push(...found);
  }
  return issues.length > 0 ? issues : [{ message: "does not meet the schema" }];
}
