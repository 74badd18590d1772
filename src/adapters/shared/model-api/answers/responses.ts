import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import { unclearCall, type AnsweredCall } from "./answered-call";
import type { CallChecks } from "./call-checks";
import { refuseCallsIn, unreadable } from "./unknown-places";

/** Items that say something, or that ran at the provider. Others are calls, or not known. */
const NO_CALLS = new Set([
  ...["message", "reasoning", "compaction", "compaction_summary", "program", "program_output"],
  ...["web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"],
  ...["mcp_call", "mcp_list_tools", "mcp_approval_response", "tool_search_output", "additional_tools"],
  ...["agent_message", "multi_agent_call"],
]);

/** Reviews items of output. An item that an answer repeats is asked about once, and its replacement is the same everywhere. */
export class OutputReview {
  readonly #replacements = new Map<string, Promise<JsonObject | undefined>>();

  constructor(private readonly checks: CallChecks) {}

  /** Resolves to the message that takes the item's place, or `undefined` where it stays. Starts the check at once. */
  replacement(item: JsonValue): Promise<JsonObject | undefined> {
    const call = readItem(item);
    if (!call) return Promise.resolve(undefined);
    const key = JSON.stringify({ ...(item as JsonObject), status: undefined });
    const known = this.#replacements.get(key);
    if (known) return known;
    const replacement = this.checks
      .check(call)
      .then((denied) => (denied === undefined ? undefined : deniedMessage(denied, this.checks.refuses)));
    this.#replacements.set(key, replacement);
    return replacement;
  }

  /**
   * A whole response, with its denied calls replaced; the same object when none was. The promise never rejects.
   *
   * @throws {UnsupportedRequestError} at once, for what cannot be read.
   */
  response(response: JsonObject): Promise<JsonObject> {
    const { output, tools: _tools, instructions: _instructions, ...rest } = response;
    refuseCallsIn(rest);
    if (output === undefined || output === null) return Promise.resolve(response);
    if (!Array.isArray(output)) throw unreadable("has output that is not a list");
    const items = output as readonly JsonValue[];
    return Promise.all(items.map((item) => this.replacement(item))).then((replacements) =>
      replacements.every((replacement) => replacement === undefined)
        ? response
        : { ...response, output: items.map((item, index) => replacements[index] ?? item) },
    );
  }
}

/** The call that an item is, or `undefined` for what the agent does not run. */
export function readItem(item: JsonValue): AnsweredCall | undefined {
  if (!isJsonObject(item) || typeof item.type !== "string")
    throw unreadable("has an item of output without a type");
  const { type, name, arguments: args, input, action, actions, operation, server_label: label } = item;
  if (NO_CALLS.has(type) || type.endsWith("_call_output")) return undefined;
  // What the SDKs name by its type is looked up by that: `computer`, `local_shell`, `shell`, `apply_patch`, `tool_search`.
  const builtIn = (value: JsonValue | undefined): AnsweredCall => ({
    name: type.replace(/_call$/, ""),
    given: { value },
  });
  switch (type) {
    case "function_call":
    case "mcp_approval_request": {
      if (typeof name !== "string" || typeof args !== "string") break;
      const call = { name, given: { json: args } };
      if (type === "function_call") return call;
      if (typeof label !== "string") break;
      return { ...call, serverLabel: label };
    }
    case "custom_tool_call":
      if (typeof name !== "string" || typeof input !== "string") break;
      return { name, given: { plainText: input } };
    case "computer_call":
      if (action !== undefined && actions !== undefined) break;
      return builtIn(action ?? (actions === undefined ? undefined : { actions }));
    case "shell_call":
      if (isJsonObject(item.environment) && item.environment.type === "container_reference") return undefined;
      return builtIn(action);
    case "local_shell_call":
      return builtIn(action);
    case "apply_patch_call":
      return builtIn(operation);
    case "tool_search_call":
      return item.execution === "server" ? undefined : builtIn(args);
  }
  return unclearCall(name ?? type, "The answer holds a call of a kind that the guard does not know.");
}

function deniedMessage(text: string, isRefusal: boolean): JsonObject {
  return {
    id: `msg_${crypto.randomUUID().replaceAll("-", "")}`,
    type: "message",
    role: "assistant",
    status: "completed",
    content: [
      isRefusal
        ? { type: "refusal", refusal: text }
        : { type: "output_text", text, annotations: [], logprobs: [] },
    ],
  };
}
