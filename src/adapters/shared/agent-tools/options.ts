import * as z from "zod";
import { ConfigurationError } from "../../../core/errors";
import { assertKindPart, isKindPart } from "../../../core/names";
import { toolMap, type ToolMap, type ToolOrigin } from "../model-api/options";

/** Where the tools of an agent belong, in the names that policies use. */
export interface AgentToolsOptions {
  /** The toolset that every tool belongs to which `tools` does not name: the kind is `tool_<toolset>`. Default: none, and such a tool is denied. */
  readonly toolset?: string;
  /** Which MCP server or toolset each tool belongs to, by the name that the model sees. */
  readonly tools?: ToolMap;
  /** What happens to a tool whose arguments have no schema, of its own or in `tools`. Default `"deny"`: nobody has said what they may be. */
  readonly untyped?: "deny" | "allow";
}

/** For a factory's own schema: spread it. */
export const agentToolsShape = {
  toolset: z.string().refine(isKindPart, "expected a name of a-z, 0-9 and _").optional(),
  tools: toolMap.optional(),
  untyped: z.enum(["deny", "allow"]).default("deny"),
};

/** Finds where a tool belongs; `undefined` for one that nobody knows. */
export type OriginOf = (name: string) => ToolOrigin | undefined;

/** @throws {ConfigurationError} where neither option says where a tool belongs. */
export function originReader(caller: string, { toolset, tools }: AgentToolsOptions): OriginOf {
  if (toolset === undefined && tools === undefined) {
    throw new ConfigurationError(
      `${caller}: say where the tools belong: \`toolset\` names one toolset for all of them, \`tools\` an owner for each`,
    );
  }
  // Own properties only: a tool named `constructor` is in no map by itself.
  const mapped: OriginOf =
    typeof tools === "function"
      ? tools
      : (name) => (tools && Object.hasOwn(tools, name) ? tools[name] : undefined);
  return (name) => {
    const origin = mapped(name);
    if (origin) assertKindPart(origin.server ?? origin.toolset, `${caller}.tools`);
    return origin ?? (toolset === undefined ? undefined : { toolset });
  };
}
