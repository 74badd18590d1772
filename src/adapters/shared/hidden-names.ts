import type { ToolOwner } from "../../core/capabilities";
import type { Session } from "../../core/session";
import type { ToolOrigin } from "./model-api/options";

/**
 * Finds the tools that this principal may never use, by the names that the model knows. One that nobody knows is one of them.
 *
 * @throws {AuthorizationDeniedError} when the policy cannot say.
 */
export async function hiddenNames(
  originOf: (name: string) => ToolOrigin | undefined,
  session: Session,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const hidden = new Set<string>();
  const owners = new Map<string, { origin: ToolOrigin; tool: string; name: string }[]>();
  for (const name of new Set(names)) {
    const origin = originOf(name);
    if (!origin) {
      hidden.add(name);
      continue;
    }
    const key = JSON.stringify(ownerOf(origin));
    owners.set(key, [...(owners.get(key) ?? []), { origin, tool: origin.tool ?? name, name }]);
  }
  await Promise.all(
    [...owners.values()].map(async (owned) => {
      const [first] = owned;
      if (!first) return;
      const tools = owned.map(({ tool }) => tool);
      const effects = Object.fromEntries(
        owned.flatMap(({ tool, origin }) => (origin.effect ? [[tool, origin.effect] as const] : [])),
      );
      const visible = await session.visible(ownerOf(first.origin), tools, {
        effects,
        ...(signal && { signal }),
      });
      for (const { name, tool } of owned) if (visible[tool] === "never") hidden.add(name);
    }),
  );
  return hidden;
}

function ownerOf({ server, toolset }: ToolOrigin): ToolOwner {
  return server !== undefined ? { server } : { toolset };
}
