import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import { unclearCall, type AnsweredCall } from "./answered-call";
import type { CallChecks } from "./call-checks";
import { refuseCallsIn, unreadable } from "./unknown-places";

/** Blocks that say something, or that a tool at the provider has filled. Others are calls, or not known. */
const NO_CALLS = new Set([
  ...["text", "thinking", "redacted_thinking", "compaction", "container_upload", "fallback"],
  ...["server_tool_use", "mcp_tool_use", "mcp_tool_listing"],
]);

/** An answer in Anthropic's format, with its denied calls replaced; the same object when none was. */
export async function reviewMessage(body: JsonObject, checks: CallChecks): Promise<JsonObject> {
  const { content, ...rest } = body;
  refuseCallsIn(rest);
  if (content === undefined || content === null || typeof content === "string") return body;
  if (!Array.isArray(content)) throw unreadable("has content that is not a list");
  const blocks = content as readonly JsonValue[];
  const calls = blocks.map(readBlock);
  const denials = await Promise.all(calls.map(async (call) => call && checks.check(call)));
  if (denials.every((denied) => denied === undefined)) return body;
  const isLeft = calls.some((call, index) => call && denials[index] === undefined);
  return {
    ...body,
    content: blocks.map((block, index) => {
      const text = denials[index];
      return text === undefined ? block : { type: "text", text, citations: null };
    }),
    ...(!isLeft && { stop_reason: mendedReason(body.stop_reason) }),
  };
}

/** The call that a block is, or `undefined` for what the agent does not run. */
export function readBlock(block: JsonValue): AnsweredCall | undefined {
  if (!isJsonObject(block) || typeof block.type !== "string")
    throw unreadable("has a block of content without a type");
  const { type, name, input } = block;
  if (NO_CALLS.has(type) || type.endsWith("_tool_result")) return undefined;
  if (type === "tool_use" && typeof name === "string") return { name, given: { value: input } };
  return unclearCall(name ?? type, "The answer holds a block of a type that the guard does not know.");
}

/** Why the model stopped, when no call of it is left. */
export function mendedReason(reason: JsonValue | undefined): JsonValue {
  return reason === "tool_use" ? "end_turn" : (reason ?? null);
}
