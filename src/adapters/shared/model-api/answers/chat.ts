import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import { unclearCall, type AnsweredCall } from "./answered-call";
import type { CallChecks } from "./call-checks";
import { refuseCallsIn, unreadable } from "./unknown-places";

/** An answer in OpenAI's chat format, with its denied calls replaced; the same object when none was. */
export async function reviewCompletion(body: JsonObject, checks: CallChecks): Promise<JsonObject> {
  const { choices, ...rest } = body;
  refuseCallsIn(rest);
  if (choices === undefined || choices === null) return body;
  if (!Array.isArray(choices)) throw unreadable("has choices that are not a list");
  const given = choices as readonly JsonValue[];
  const reviewed = await Promise.all(given.map((choice) => reviewChoice(choice, checks)));
  return reviewed.some((choice, index) => choice !== given[index]) ? { ...body, choices: reviewed } : body;
}

async function reviewChoice(choice: JsonValue, checks: CallChecks): Promise<JsonValue> {
  if (!isJsonObject(choice)) throw unreadable("has a choice that is not an object");
  const { message, ...rest } = choice;
  refuseCallsIn(rest);
  const { calls, legacy, rest: said } = splitMessage(message);
  if (calls.length === 0 && legacy === undefined) return choice;

  const [denials, legacyDenial] = await Promise.all([
    Promise.all(calls.map((call) => checks.check(readToolCall(call)))),
    legacy === undefined ? undefined : checks.check(readFunctionCall(legacy)),
  ]);
  const texts = [...denials, legacyDenial].filter((text) => text !== undefined);
  if (texts.length === 0) return choice;
  const kept = calls.filter((_, index) => denials[index] === undefined);
  const keepsLegacy = legacy !== undefined && legacyDenial === undefined;
  return {
    ...choice,
    message: {
      ...said,
      ...(checks.refuses
        ? { content: said.content ?? null, refusal: withTexts(said.refusal, texts) }
        : { content: withTexts(said.content, texts) }),
      ...(kept.length > 0 && { tool_calls: kept }),
      ...(keepsLegacy && { function_call: legacy }),
    },
    ...(kept.length === 0 && !keepsLegacy && { finish_reason: mendedReason(choice.finish_reason) }),
  };
}

/** A message, or a delta of one, with its calls apart from what it says. */
export function splitMessage(message: JsonValue | undefined): {
  readonly calls: readonly JsonValue[];
  readonly legacy: JsonValue | undefined;
  readonly rest: JsonObject;
} {
  if (message === undefined || message === null) return { calls: [], legacy: undefined, rest: {} };
  if (!isJsonObject(message)) throw unreadable("has a message that is not an object");
  const { tool_calls, function_call, ...rest } = message;
  refuseCallsIn(rest);
  if (tool_calls !== undefined && tool_calls !== null && !Array.isArray(tool_calls))
    throw unreadable("has tool calls that are not a list");
  const calls = (tool_calls ?? []) as readonly JsonValue[];
  return { calls, legacy: function_call ?? undefined, rest };
}

/** Reads one of `tool_calls`: a function's, or a custom tool's. */
export function readToolCall(entry: JsonValue): AnsweredCall {
  if (!isJsonObject(entry)) return unclearCall(undefined, "The tool call is not an object.");
  const { type = "function", function: called, custom } = entry;
  if (type === "function" && custom === undefined) return readFunctionCall(called);
  if (type === "custom" && called === undefined && isJsonObject(custom)) {
    const { name, input } = custom;
    if (typeof name === "string" && typeof input === "string") return { name, given: { plainText: input } };
  }
  return unclearCall(undefined, "The tool call is of a type that the guard does not know.");
}

/** Reads a function's name and arguments; before tools, that was all of a call. */
export function readFunctionCall(called: JsonValue | undefined): AnsweredCall {
  const { name, arguments: json = "" } = isJsonObject(called) ? called : {};
  if (typeof name !== "string") return unclearCall(name, "The tool call names no function.");
  if (typeof json !== "string") return unclearCall(name, "The arguments are not JSON text.");
  return { name, given: { json } };
}

/** Why the model stopped, when no call of it is left. A call that was cut off by a limit stays so. */
export function mendedReason(reason: JsonValue | undefined): JsonValue {
  return reason === "tool_calls" || reason === "function_call" ? "stop" : (reason ?? null);
}

function withTexts(content: JsonValue | undefined, texts: readonly string[]): JsonValue {
  if (Array.isArray(content)) {
    const parts = content as readonly JsonValue[];
    return [...parts, ...texts.map((text) => ({ type: "text", text }))];
  }
  return [...(typeof content === "string" && content !== "" ? [content] : []), ...texts].join("\n\n");
}
