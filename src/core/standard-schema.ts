import { InvalidJsonError, isJsonObject, snapshot, type JsonLimits, type JsonObject } from "./json";
import { Refusal } from "./refusal";
import { cleanText } from "./text";

/**
 * The part of Standard Schema that the guard needs: zod, valibot and arktype schemas are of this shape, and JSON Schemas are brought
 * into it by the adapters.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema {
  readonly "~standard": {
    /** Answers with the value, which may be another than was given, or with what is wrong. */
    readonly validate: (value: unknown) => StandardResult | Promise<StandardResult>;
  };
}

/** What a Standard Schema makes of a value: the value, or what is wrong with it. */
export type StandardResult =
  { readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly StandardIssue[] };

/** One thing that is wrong, and where. */
export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** More than these help nobody: a model mends the first and tries again. */
const MAX_ISSUES = 3;

export async function validateArguments(
  schema: StandardSchema,
  given: JsonObject,
  limits: JsonLimits,
): Promise<JsonObject | Refusal> {
  const result = await schema["~standard"].validate(given);
  if (result.issues) return invalid(result.issues.slice(0, MAX_ISSUES).map(describe).join("; "));
  if (result.value === given) return given;
  try {
    const value = snapshot(result.value, limits);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof InvalidJsonError)) throw error;
  }
  return invalid("arguments: the schema must make a JSON object of them");
}

function invalid(reason: string): Refusal {
  return new Refusal("arguments_invalid", { reason: cleanText(`${reason}.`) });
}

function describe({ path = [], message }: StandardIssue): string {
  const place = path.map((step) => `.${String(typeof step === "object" ? step.key : step)}`).join("");
  return `arguments${place}: ${message}`;
}
