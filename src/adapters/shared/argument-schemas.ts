import { canonicalJson } from "../../core/digest";
import { snapshot, type JsonValue } from "../../core/json";
import type { StandardResult, StandardSchema } from "../../core/standard-schema";

/**
 * A schema that no arguments meet. An adapter that finds something wrong with them says so in this way, and not as a refusal of its own: the
 * core tells nothing of it to a principal that may never use the tool.
 */
export function refusing(message: string): StandardSchema {
  return answering({ issues: [{ message }] });
}

/** A schema whose answer is known already, because the arguments were validated before. */
export function answering(result: StandardResult): StandardSchema {
  return { "~standard": { validate: () => result } };
}

/** For arguments that are sent as they are: what the schema would make something else of is refused. */
export function unchanging(schema: StandardSchema, message = CHANGED): StandardSchema {
  return {
    "~standard": {
      validate: async (given) => {
        const result = await schema["~standard"].validate(given);
        if (result.issues) return result;
        const isSame = canonicalJson(snapshot(result.value)) === canonicalJson(given as JsonValue);
        return isSame ? { value: given } : { issues: [{ message }] };
      },
    },
  };
}

const CHANGED =
  "must be given as the schema makes them (its types, its defaults, no further members), because the tool that calls this one sends them as they are";
