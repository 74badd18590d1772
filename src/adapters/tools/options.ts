import * as z from "zod";
import { ConfigurationError } from "../../core/errors";
import { TOOL_EFFECTS, type ToolEffect } from "../../core/hop";
import { assertKindPart } from "../../core/names";
import { parseOptions } from "../../core/options";
import { toStandardSchema } from "../shared/json-schema";
import type { AgentToolsOptions } from "../shared/agent-tools/options";
import { metaToolsSchema, type MetaTool } from "../shared/meta-tools";
import { ownSchema, type LocalTools } from "./local-tool";

/** How a toolset's calls are named and typed for the policy. */
export interface GuardToolsOptions {
  /** The name for policies: the kind is `tool_<toolset>`. */
  readonly toolset: string;
  /** How the operator classifies each tool; policies read it as `R.attr.effect`. */
  readonly effects?: Readonly<Record<string, ToolEffect>>;
  /** What the arguments of each tool must look like: a Standard Schema or a JSON Schema. Goes before the tool's own. */
  readonly schemas?: Readonly<Record<string, unknown>>;
  /**
   * Tools that call tools, and how their arguments say which: every call that such a function reads out of them is decided beside the meta
   * tool's own. An inner tool of another toolset or of a server has no schema here: see `untyped`. Default: none.
   */
  readonly metaTools?: Readonly<Record<string, MetaTool>>;
  /** What happens to a tool without a schema. Default `"deny"`: nobody has said what its arguments may be. */
  readonly untyped?: "deny" | "allow";
  /** Whether a denied tool throws an `AuthorizationDeniedError` (the default) or returns the denial, for a loop that hands it to the model. */
  readonly denials?: "throw" | "return";
}

/** The options with every default in place. */
export interface Settings extends AgentToolsOptions {
  readonly returnDenials: boolean;
}

const optionsSchema = z.strictObject({
  toolset: z.string(),
  effects: z.record(z.string(), z.enum(TOOL_EFFECTS)).default({}),
  schemas: z.record(z.string(), z.unknown()).default({}),
  metaTools: metaToolsSchema,
  untyped: z.enum(["deny", "allow"]).default("deny"),
  denials: z.enum(["throw", "return"]).default("throw"),
});

/** @throws {ConfigurationError} naming the option. */
export function readOptions(tools: LocalTools, options: GuardToolsOptions): Settings {
  const { toolset, effects, schemas, metaTools, untyped, denials } = parseOptions(
    optionsSchema,
    "guardTools",
    options,
  );
  assertKindPart(toolset, "guardTools.toolset");
  if (typeof tools !== "object" || (tools as unknown) === null || Array.isArray(tools))
    throw new ConfigurationError("guardTools: expected an object of tools by name");
  const named = {
    effects: Object.keys(effects),
    schemas: Object.keys(schemas),
    metaTools: [...metaTools.keys()],
  };
  for (const [option, names] of Object.entries(named)) {
    const unknown = names.find((name) => !Object.hasOwn(tools, name));
    if (unknown !== undefined)
      throw new ConfigurationError(`guardTools.${option}: there is no tool "${unknown}"`);
  }
  // Maps, so that a tool named `constructor` is only a name.
  const byName = new Map(Object.entries(effects));
  const usable = new Map(
    Object.entries(tools).flatMap(([name, tool]) => {
      const schema = Object.hasOwn(schemas, name) ? schemas[name] : ownSchema(tool);
      return schema === undefined
        ? []
        : [[name, toStandardSchema(schema, `guardTools.schemas.${name}`)] as const];
    }),
  );
  return Object.freeze<Settings>({
    tools: (name) => {
      const [effect, schema, metaTool] = [byName.get(name), usable.get(name), metaTools.get(name)];
      return { toolset, ...(effect && { effect }), ...(schema && { schema }), ...(metaTool && { metaTool }) };
    },
    untyped,
    returnDenials: denials === "return",
  });
}
