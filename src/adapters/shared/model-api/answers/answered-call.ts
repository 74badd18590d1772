import type { JsonValue } from "../../../../core/json";

/** A tool call as a model's answer holds it, whatever the wire format. */
export interface AnsweredCall {
  /** The tool's name, as the model knows it. */
  readonly name: string;
  /** JSON text as the model wrote it, a value that the format holds parsed, or the input of a tool that takes plain text. */
  readonly given:
    { readonly json: string } | { readonly value: JsonValue | undefined } | { readonly plainText: string };
  /** The label of the MCP server that is to run it at the provider, once the agent has approved. */
  readonly serverLabel?: string;
  /** Why nobody can say what would be run. Such a call is refused. */
  readonly unclear?: string;
}

/** A call of which not even the shape is known. */
export function unclearCall(name: JsonValue | undefined, unclear: string): AnsweredCall {
  return { name: typeof name === "string" ? name : "unknown", given: { value: undefined }, unclear };
}
