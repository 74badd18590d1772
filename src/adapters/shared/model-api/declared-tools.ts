import type { ToolOwner } from "../../../core/capabilities";
import type { JsonObject, JsonValue } from "../../../core/json";
import type { Session } from "../../../core/session";
import type { ModelGuard, ToolOrigin } from "./options";
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
  const hidden: DeclaredTool[] = [];
  const owners = new Map<string, { origin: ToolOrigin; name: string; declared: DeclaredTool }[]>();
  for (const declared of tools) {
    const origin = originOf(declared.name);
    if (!origin) {
      hidden.push(declared);
      continue;
    }
    const key = JSON.stringify(ownerOf(origin));
    const name = origin.tool ?? declared.name;
    owners.set(key, [...(owners.get(key) ?? []), { origin, name, declared }]);
  }
  await Promise.all(
    [...owners.values()].map(async (owned) => {
      const [first] = owned;
      if (!first) return;
      const names = owned.map(({ name }) => name);
      const effects = Object.fromEntries(
        owned.flatMap(({ name, origin }) => (origin.effect ? [[name, origin.effect] as const] : [])),
      );
      const visible = await session.visible(ownerOf(first.origin), names, {
        effects,
        ...(signal && { signal }),
      });
      for (const { name, declared } of owned) if (visible[name] === "never") hidden.push(declared);
    }),
  );
  return hidden;
}

function ownerOf({ server, toolset }: ToolOrigin): ToolOwner {
  return server !== undefined ? { server } : { toolset };
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
