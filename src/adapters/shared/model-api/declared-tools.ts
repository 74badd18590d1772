import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json";
import type { Session } from "../../../core/session";
import { hiddenNames } from "../hidden-names";
import type { ModelGuard } from "./options";
import type { DeclaredTool } from "./request-scan";

/** Finds the declared tools that this principal may never use, so that the model does not learn of them. */
export async function hiddenTools(
  guard: ModelGuard,
  session: Session,
  tools: readonly DeclaredTool[],
  signal: AbortSignal | undefined,
): Promise<readonly DeclaredTool[]> {
  if (!guard.originOf || tools.length === 0) return [];
  const names = tools.map(({ name }) => name);
  const hidden = await hiddenNames(guard.originOf, session, names, signal);
  return tools.filter(({ name }) => hidden.has(name));
}

/** The request without some of its tools. A list that is empty then goes, and with it what only makes sense beside one. */
export function withoutTools(body: JsonObject, hidden: readonly DeclaredTool[]): JsonObject {
  const gone = new Set<JsonValue>(hidden.map(({ entry }) => entry));
  const lists = new Set<JsonValue | undefined>(hidden.map(({ list }) => list));
  // A namespace without tools still tells what they were for, and providers refuse it.
  const isGone = (entry: JsonValue): boolean =>
    gone.has(entry) ||
    (isJsonObject(entry) &&
      entry.type === "namespace" &&
      lists.has(entry.tools) &&
      (entry.tools as readonly JsonValue[]).every(isGone));
  const rebuild = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) {
      return (value as readonly JsonValue[]).filter((entry) => !isGone(entry)).map(rebuild);
    }
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, rebuild(member)]));
  };
  const rebuilt = { ...(rebuild(body) as JsonObject) };
  const isEmpty = (name: string): boolean => Array.isArray(rebuilt[name]) && rebuilt[name].length === 0;
  const dropped = [
    ...(isEmpty("tools") ? ["tools", "tool_choice", "parallel_tool_calls"] : []),
    ...(isEmpty("functions") ? ["functions", "function_call"] : []),
  ];
  return Object.fromEntries(Object.entries(rebuilt).filter(([name]) => !dropped.includes(name)));
}
