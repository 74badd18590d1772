import type { StandardResult, StandardSchema } from "../../core/standard-schema";
import { unchanging } from "../shared/argument-schemas";
import { toStandardSchema } from "../shared/json-schema";

/** How `ai` marks the schemas that it makes: of JSON Schemas, of zod's, or lazily. */
const SCHEMA = Symbol.for("vercel.ai.schema");

interface AiSchema {
  readonly [SCHEMA]: true;
  readonly jsonSchema: unknown;
  readonly validate?: (value: unknown) => unknown;
}

/**
 * The tool's own schema, for input that the AI SDK has put through it already: what it would change a second time is refused, because neither
 * reading is sure to be what the tool was meant to be called with.
 */
export function settledSchema(inputSchema: unknown): StandardSchema {
  const validate: StandardSchema["~standard"]["validate"] = async (input) =>
    (await standardOf(inputSchema))["~standard"].validate(input);
  return unchanging({ "~standard": { validate } }, UNSETTLED);
}

const UNSETTLED =
  "are changed by the tool's schema each time; `schema` of its entry in `tools` says what the tool is handed";

async function standardOf(given: unknown): Promise<StandardSchema> {
  if (isAiSchema(given)) {
    const { validate, jsonSchema } = given;
    return validate ? validating(validate) : toStandardSchema(await jsonSchema, "inputSchema");
  }
  const isLazy = typeof given === "function" && !("~standard" in given);
  return isLazy ? standardOf((given as () => unknown)()) : toStandardSchema(given, "inputSchema");
}

/** Its errors name values that an agent wrote, and are not passed on. */
function validating(validate: (value: unknown) => unknown): StandardSchema {
  const check = async (input: unknown): Promise<StandardResult> => {
    const result = (await validate(input)) as { readonly success?: unknown; readonly value?: unknown };
    return result.success === true
      ? { value: result.value }
      : { issues: [{ message: "do not meet the tool's schema" }] };
  };
  return { "~standard": { validate: check } };
}

function isAiSchema(given: unknown): given is AiSchema {
  return typeof given === "object" && given !== null && SCHEMA in given;
}
