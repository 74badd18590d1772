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
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, [name]));
  throw new ConfigurationError(problems.join("\n"), { cause: result.error });
}

/** Of a union's alternatives the one that least is wrong with speaks: that none fits names nothing. */
function problemsOf(issue: z.core.$ZodIssue, above: readonly string[]): readonly string[] {
  const path = [...above, ...issue.path.map(String)];
  const alternatives = issue.code === "invalid_union" ? issue.errors : [];
  const [closest] = alternatives.toSorted((one, other) => one.length - other.length);
  return closest
    ? closest.flatMap((each) => problemsOf(each, path))
    : [`${path.join(".")}: ${issue.message}`];
}
