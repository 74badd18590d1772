import { dereference, validate, type OutputUnit, type Schema, type SchemaDraft } from "@cfworker/json-schema";
import { ConfigurationError } from "../../core/errors";
import { InvalidJsonError, isJsonObject, snapshot, type JsonObject } from "../../core/json";
import type { StandardIssue, StandardSchema } from "../../core/standard-schema";
import { assertKeywords } from "./json-schema-keywords";
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
        try {
          const { valid, errors } = validate(value, schema, draft, lookup);
          return valid ? { value } : { issues: toIssues(errors, value, schema, lookup) };
        } catch {
          // Too many visits, or too deep for the stack.
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
  /** How many subschemas the check under way may still visit. */
  readonly visits: { left: number };
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
  const visits = { left: MAX_VISITS };
  let lookup: Compiled["lookup"];
  try {
    lookup = dereference(schema);
    for (const subschema of Object.values(lookup)) {
      if (typeof subschema !== "object") continue;
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

/** Finds now what would fail, or be passed over, when arguments are checked. */
function assertUsable(schema: Schema, lookup: Compiled["lookup"]): void {
  const { $ref, __absolute_ref__: target = "", pattern, patternProperties = {} } = schema;
  if ($ref !== undefined && lookup[target] === undefined) throw new Error("a $ref leads nowhere");
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
      if (--visits.left < 0) throw new Error("the schema takes too many steps to check");
      return undefined;
    },
  });
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
