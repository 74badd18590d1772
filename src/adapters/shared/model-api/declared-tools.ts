import type { JsonObject, JsonValue } from "../../../core/json";
import type { Session } from "../../../core/session";
import type { ModelGuard } from "./options";
import type { DeclaredTool } from "./request-scan";

/** Finds the declared tools that this principal may never use, so that the model does not learn of them. */
export async function hiddenTools(
  guard: ModelGuard,
  session: Session,
  tools: readonly DeclaredTool[],
  signal: AbortSignal | undefined,
): Promise<readonly DeclaredTool[]> {
  const { originOf } = guard;
  if (!originOf || tools.length === 0) return [];
  const owners = new Map<
    string,
    { owner: { server: string } | { toolset: string }; tools: { name: string; declared: DeclaredTool }[] }
  >();
  const hidden: DeclaredTool[] = [];
  for (const declared of tools) {
    const origin = originOf(declared.name);
    if (!origin) {
      hidden.push(declared);
      continue;
    }
    const owner = origin.server !== undefined ? { server: origin.server } : { toolset: origin.toolset };
    const key = JSON.stringify(owner);
    const group = owners.get(key) ?? { owner, tools: [] };
    owners.set(key, group);
    group.tools.push({ name: origin.tool ?? declared.name, declared });
  }
  await Promise.all(
    [...owners.values()].map(async ({ owner, tools }) => {
      const names = tools.map(({ name }) => name);
      const visible = await session.visible(owner, names, signal ? { signal } : {});
      for (const { name, declared } of tools) if (visible[name] === "never") hidden.push(declared);
    }),
  );
  return hidden;
}

/** The request without some of its tools. A list that is empty then goes, and with it what only makes sense beside one. */
export function withoutTools(body: JsonObject, hidden: readonly DeclaredTool[]): JsonObject {
  const gone = new Set<JsonValue>(hidden.map(({ entry }) => entry));
  const lists = new Set<JsonValue | undefined>(hidden.map(({ list }) => list));
  const rebuild = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) {
      const list = value as readonly JsonValue[];
      return (lists.has(value) ? list.filter((entry) => !gone.has(entry)) : list).map(rebuild);
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
