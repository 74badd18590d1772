import type { StandardResult, StandardSchema } from "../../core/standard-schema";
import { refusing } from "../shared/argument-schemas";
import { toStandardSchema } from "../shared/json-schema";

/** How the arguments of one call are read: once, and so the tool runs on what was checked. */
export interface ArgumentReader {
  /** `undefined` where nobody has said what they may be. */
  readonly schema: StandardSchema | undefined;
  /** What the tool's function takes, of the arguments that were checked. */
  toInput(checked: unknown): unknown;
}

/**
 * Holds arguments against the operator's schema, where there is one, and then makes of them what the tool's own makes. A tool that takes a text has a
 * schema that takes `{ input }` and makes the text of it: policies read the object.
 */
export function argumentReader(own: unknown, operators: unknown): ArgumentReader {
  const schemas = [operators, own].filter((schema) => schema !== undefined).map(readable);
  let takesText = false;
  const validate = async (given: unknown): Promise<StandardResult> => {
    let value = given;
    for (const schema of schemas) {
      const result = await schema["~standard"].validate(value);
      if (result.issues) return result;
      value = result.value;
    }
    takesText = typeof value === "string" || value === undefined;
    if (!takesText) return { value };
    return { value: value === undefined ? {} : { input: value } };
  };
  return {
    schema: schemas.length > 0 ? { "~standard": { validate } } : undefined,
    toInput: (checked) => (takesText ? (checked as { readonly input?: string }).input : checked),
  };
}

function readable(schema: unknown): StandardSchema {
  try {
    return toStandardSchema(schema, "schema");
  } catch (error) {
    return refusing(`have no schema that can be used: ${(error as Error).message}`);
  }
}
