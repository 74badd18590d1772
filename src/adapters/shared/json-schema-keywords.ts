import * as z from "zod";
import { isJsonObject, type JsonObject } from "../../core/json";

const count = z.int().min(0);
const names = z.array(z.string());
const subschema = z.union([z.boolean(), z.custom<JsonObject>((value) => isJsonObject(value as JsonObject))]);
const subschemas = z.array(subschema);
const subschemaMap = z.record(z.string(), subschema);
const type = z.enum(["array", "boolean", "integer", "null", "number", "object", "string"]);
const limit = z.number();

/** The form that each keyword must have; where drafts differ in it, both are taken. What is no keyword says nothing of a value. */
const KEYWORDS = z.looseObject({
  $id: z.string().optional(),
  $anchor: z.string().optional(),
  $dynamicAnchor: z.string().optional(),
  $ref: z.string().optional(),
  // The validator passes over these in silence, and what is passed over is not checked.
  $dynamicRef: z.never("is not supported").optional(),
  $recursiveRef: z.never("is not supported").optional(),

  type: z.union([type, z.array(type)]).optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),

  minimum: limit.optional(),
  maximum: limit.optional(),
  multipleOf: z.number().positive().optional(),
  minLength: count.optional(),
  maxLength: count.optional(),
  pattern: z.string().optional(),
  format: z.string().optional(),
  minItems: count.optional(),
  maxItems: count.optional(),
  uniqueItems: z.boolean().optional(),
  minProperties: count.optional(),
  maxProperties: count.optional(),
  required: names.optional(),
  dependentRequired: z.record(z.string(), names).optional(),

  allOf: subschemas.optional(),
  anyOf: subschemas.optional(),
  oneOf: subschemas.optional(),
  not: subschema.optional(),
  if: subschema.optional(),
  then: subschema.optional(),
  else: subschema.optional(),
  dependentSchemas: subschemaMap.optional(),
  dependencies: z.record(z.string(), z.union([names, subschema])).optional(),

  properties: subschemaMap.optional(),
  patternProperties: subschemaMap.optional(),
  additionalProperties: subschema.optional(),
  propertyNames: subschema.optional(),
  unevaluatedProperties: subschema.optional(),
  prefixItems: subschemas.optional(),
  items: z.union([subschemas, subschema]).optional(),
  additionalItems: subschema.optional(),
  contains: subschema.optional(),
  minContains: count.optional(),
  maxContains: count.optional(),
  unevaluatedItems: subschema.optional(),
});

/** Up to draft 4 whether the limit itself is excluded, later the limit. The validator takes `true` for a limit of 1. */
const EXCLUSIVE = {
  early: z.looseObject({
    exclusiveMinimum: z.boolean().optional(),
    exclusiveMaximum: z.boolean().optional(),
  }),
  late: z.looseObject({ exclusiveMinimum: limit.optional(), exclusiveMaximum: limit.optional() }),
};

/**
 * Makes sure that every keyword of a schema says something: of one with another form (`minLength: "5"`) the validator makes nothing, and
 * everything passes.
 *
 * @throws {Error} naming the keyword.
 */
export function assertKeywords(schema: object, isDraft4: boolean): void {
  for (const form of [KEYWORDS, isDraft4 ? EXCLUSIVE.early : EXCLUSIVE.late]) {
    const [issue] = form.safeParse(schema).error?.issues ?? [];
    if (issue) throw new Error(`${issue.path.map(String).join(".")}: ${issue.message}`);
  }
}

/** Keywords whose value is a schema, or a list of them; and those whose value has schemas by name. */
const SCHEMAS = [
  ...["not", "if", "then", "else", "allOf", "anyOf", "oneOf", "contains", "propertyNames"],
  ...["items", "prefixItems", "additionalItems", "unevaluatedItems"],
  ...["additionalProperties", "unevaluatedProperties"],
];
const NAMED_SCHEMAS = [
  "properties",
  "patternProperties",
  "dependentSchemas",
  "dependencies",
  "$defs",
  "definitions",
];

/** What stands in a schema where its keywords have schemas, whatever it is. */
export function subschemasOf(schema: object): readonly unknown[] {
  const members = schema as Readonly<Record<string, unknown>>;
  return [
    ...SCHEMAS.flatMap((keyword) => members[keyword]),
    ...NAMED_SCHEMAS.flatMap((keyword) => Object.values(Object(members[keyword]) as object) as unknown[]),
  ];
}
