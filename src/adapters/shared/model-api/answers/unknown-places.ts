import { InvalidJsonError, isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import { parseStrictJson, type StrictJsonOptions } from "../../../../core/strict-json";
import { UnsupportedRequestError } from "../unsupported-request";

/** `tool_calls`, `function_call`, `toolUse`, …: how the formats, and those who translate between them, name a call. */
const CALL_MEMBER = /^(?:custom)?(?:tool|function)(?:call|use)s?$/;
const CALL_TYPE =
  /^(?:tool_use|mcp_approval_request|(?:tool|function|custom_tool|computer|local_shell|shell|apply_patch)_call)$/;

/** An answer that cannot be read in one way only, or holds a call where the guard knows of none. */
export function unreadable(problem: string): UnsupportedRequestError {
  return new UnsupportedRequestError(
    `The model's answer ${problem}, so its tool calls cannot be checked; the option \`answers: "pass"\` lets answers pass unread.`,
  );
}

/** @throws {UnsupportedRequestError} for what is not one JSON object, in one reading. */
export function readObject(text: string, limits: StrictJsonOptions): JsonObject {
  try {
    const value = parseStrictJson(text, limits);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (error instanceof InvalidJsonError) throw unreadable(error.message);
    throw error;
  }
  throw unreadable("is not a JSON object");
}

/**
 * Looks for calls in those parts of an answer where the format has none.
 *
 * @throws {UnsupportedRequestError} when there is one: some reader may know that shape.
 */
export function refuseCallsIn(value: JsonValue | undefined): void {
  if (Array.isArray(value)) for (const item of value as readonly JsonValue[]) refuseCallsIn(item);
  else if (isJsonObject(value)) {
    const isCall = typeof value.type === "string" && CALL_TYPE.test(value.type);
    if (isCall) throw unreadable("holds a tool call in a place that the guard does not know");
    for (const [member, content] of Object.entries(value)) {
      if (CALL_MEMBER.test(member.replace(/[_-]/g, "").toLowerCase()) && !isVoid(content))
        throw unreadable("holds a tool call in a place that the guard does not know");
      refuseCallsIn(content);
    }
  }
}

/** Nothing is called by an empty list, and nothing by a number: usage counts calls. */
function isVoid(value: JsonValue): boolean {
  if (typeof value === "string") return value === "";
  return typeof value !== "object" || value === null || Object.keys(value).length === 0;
}
