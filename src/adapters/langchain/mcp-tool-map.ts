import * as z from "zod";
import { ConfigurationError } from "../../core/errors";
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
 * @throws {ConfigurationError} for a name of a server that no policy could rely on, or by which the tools of two servers could be taken for each other.
 */
export function mcpToolMap(
  servers: readonly string[],
  options: McpToolMapOptions = {},
): (name: string) => ToolOrigin | undefined {
  const { additionalToolNamePrefix: prefix, effects } = parseOptions(optionsSchema, "mcpToolMap", options);
  for (const server of servers) assertKindPart(server, "mcpToolMap.servers");
  const prefixes = [...new Set(servers)].map((server) => ({
    server,
    start: `${prefix === "" ? "" : `${prefix}__`}${server}__`,
  }));
  for (const { server, start } of prefixes) {
    // `pay__roll__list` would be a tool of the server `pay`, or of `pay__roll`: which, a server that names its tools could choose.
    const other = prefixes.find((each) => each.server !== server && each.start.startsWith(start));
    if (!other) continue;
    throw new ConfigurationError(
      `mcpToolMap.servers: tools of "${server}" may be named like those of "${other.server}"; give one of the servers another name`,
    );
  }
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
