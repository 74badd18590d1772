import * as z from "zod";
import { ConfigurationError } from "./errors";

/**
 * Reads options that a developer gave. Unknown ones are refused, because a misspelt option of a guard is a hole.
 *
 * @throws {ConfigurationError} naming every wrong option.
 */
export function parseOptions<S extends z.ZodType>(schema: S, name: string, input: unknown): z.output<S> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `${[name, ...path.map(String)].join(".")}: ${message}`,
  );
  throw new ConfigurationError(problems.join("\n"), { cause: result.error });
}
