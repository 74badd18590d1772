import { ConfigurationError } from "../../core/errors";
import { isKindPart } from "../../core/names";
import type { ToolMap, ToolOrigin } from "../shared/model-api/options";
import { builtInSchema } from "./built-in-tools";

/**
 * Checks the names of MCP servers, which become part of a kind.
 *
 * @throws {ConfigurationError} for a name that no policy could rely on, or by which the tools of two servers could be taken for each other.
 */
export function assertServerNames(names: readonly string[]): void {
  for (const name of names) {
    // `mcp__a__b__c` would be a tool of the server `a`, or of `a__b`.
    if (isKindPart(name) && !name.includes("__") && !name.endsWith("_")) continue;
    throw new ConfigurationError(
      `guardQueryOptions: options.mcpServers: ${JSON.stringify(name)} is not a name for a policy: use a-z, 0-9 and single _, not at the end`,
    );
  }
}

/** Where the tools belong that a Claude agent has: the operator's own word goes first, then the server in the name, then the built-in ones. */
export function toolOrigins(
  servers: ReadonlySet<string>,
  toolset: string,
  tools: ToolMap = {},
): (name: string) => ToolOrigin | undefined {
  const given = (name: string): ToolOrigin | undefined =>
    typeof tools === "function" ? tools(name) : Object.hasOwn(tools, name) ? tools[name] : undefined;
  return (name) => {
    const own = given(name);
    const [, server = "", tool = ""] = /^mcp__(.+?)__(.+)$/s.exec(name) ?? [];
    if (servers.has(server)) {
      const origin = { server, tool };
      // Its place among the servers is not the map's to change, only what is said of it.
      return own ? { ...own, server, toolset: undefined, tool: own.tool ?? tool } : origin;
    }
    return own ?? (builtInSchema(name) ? { toolset } : undefined);
  };
}
