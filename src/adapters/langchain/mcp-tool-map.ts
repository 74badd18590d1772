import * as z from "zod";
import { TOOL_EFFECTS, type ToolEffect } from "../../core/hop";
import { assertKindPart } from "../../core/names";
import { parseOptions } from "../../core/options";
import type { ToolOrigin } from "../shared/model-api/options";

/** Options of {@link mcpToolMap}. */
export interface McpToolMapOptions {
  /** The same as that of `MultiServerMCPClient`. Default: none. */
  readonly additionalToolNamePrefix?: string;
  /** How you classify tools, by server and the tool's name there; policies read it as `R.attr.effect`. */
  readonly effects?: Readonly<Record<string, Readonly<Record<string, ToolEffect>>>>;
}

const optionsSchema = z.strictObject({
  additionalToolNamePrefix: z.string().default(""),
  effects: z.record(z.string(), z.record(z.string(), z.enum(TOOL_EFFECTS))).default({}),
});

/**
 * Finds the MCP server of each tool that `@langchain/mcp-adapters` has loaded with `prefixToolNameWithServerName: true`: for the option `tools`. Names
 * without the prefix of one of these servers are not known.
 *
 * @throws {ConfigurationError} for a name of a server that no policy could rely on.
 */
export function mcpToolMap(
  servers: readonly string[],
  options: McpToolMapOptions = {},
): (name: string) => ToolOrigin | undefined {
  const { additionalToolNamePrefix: prefix, effects } = parseOptions(optionsSchema, "mcpToolMap", options);
  for (const server of servers) assertKindPart(server, "mcpToolMap.servers");
  const prefixes = servers
    .map((server) => ({ server, start: `${prefix === "" ? "" : `${prefix}__`}${server}__` }))
    // A server `pay` must not get the tools of a server `pay__roll`.
    .sort((a, b) => b.start.length - a.start.length);
  const classified = new Map(
    Object.entries(effects).flatMap(([server, byTool]) =>
      Object.entries(byTool).map(([tool, effect]) => [`${server}/${tool}`, effect] as const),
    ),
  );
  return (name) => {
    const found = prefixes.find(({ start }) => name.startsWith(start));
    if (!found) return undefined;
    const tool = name.slice(found.start.length);
    const effect = classified.get(`${found.server}/${tool}`);
    return { server: found.server, tool, ...(effect && { effect }) };
  };
}
