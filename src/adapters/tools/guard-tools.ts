import { z } from "zod";
import { AuthorizationDeniedError, ConfigurationError } from "../../core/errors";
import type { ToolEffect } from "../../core/hop";
import { InvalidJsonError } from "../../core/json";
import { assertKindPart, isToolName } from "../../core/names";
import { parseOptions } from "../../core/options";
import type { Session } from "../../core/session";
import { parseStrictJson } from "../../core/strict-json";
import { toStandardSchema } from "../shared/json-schema";

type ToolFunction = (args: never, ...rest: never[]) => unknown;

/** A function, or an object with one as `execute` (or `run`, `handler`) and what else belongs to it, which is left as it is. */
export type LocalTool =
  | ToolFunction
  | {
      readonly execute?: ToolFunction | undefined;
      readonly run?: ToolFunction | undefined;
      readonly handler?: ToolFunction | undefined;
      /** zod, any other Standard Schema, or a JSON Schema; likewise the two below. */
      readonly inputSchema?: unknown;
      readonly parameters?: unknown;
      readonly schema?: unknown;
    };

export type LocalTools = Readonly<Record<string, LocalTool>>;

export interface GuardToolsOptions {
  /** The name for policies: the kind is `tool_<toolset>`. */
  readonly toolset: string;
  /** How the operator classifies each tool; policies read it as `R.attr.effect`. */
  readonly effects?: Readonly<Record<string, ToolEffect>>;
  /** What the arguments of each tool must look like: a Standard Schema or a JSON Schema. Goes before the tool's own. */
  readonly schemas?: Readonly<Record<string, unknown>>;
  /** What happens to a tool without a schema. Default `"deny"`: nobody has said what its arguments may be. */
  readonly untyped?: "deny" | "allow";
  /** Whether a denied tool throws an `AuthorizationDeniedError` (the default) or returns the denial, for a loop that hands it to the model. */
  readonly denials?: "throw" | "return";
}

const optionsSchema = z.strictObject({
  toolset: z.string(),
  effects: z.record(z.string(), z.enum(["read", "write", "side_effect", "destructive"])).default({}),
  schemas: z.record(z.string(), z.unknown()).default({}),
  untyped: z.enum(["deny", "allow"]).default("deny"),
  denials: z.enum(["throw", "return"]).default("throw"),
});

const RUNNERS = ["execute", "run", "handler"] as const;
const SCHEMAS = ["inputSchema", "parameters", "schema"] as const;

/**
 * Wraps the functions of local tools: each call is checked, and then run on the very arguments that were checked, frozen. What comes back has the
 * shape of what was given.
 *
 * @throws {ConfigurationError} naming the wrong option, or the tool whose name or schema no policy could rely on.
 */
export function guardTools<T extends LocalTools>(tools: T, session: Session, options: GuardToolsOptions): T {
  const { toolset, effects, schemas, untyped, denials } = parseOptions(optionsSchema, "guardTools", options);
  assertKindPart(toolset, "guardTools.toolset");
  for (const [option, names] of Object.entries({ effects, schemas })) {
    const unknown = Object.keys(names).find((name) => !Object.hasOwn(tools, name));
    if (unknown !== undefined)
      throw new ConfigurationError(`guardTools.${option}: there is no tool "${unknown}"`);
  }

  const guard = (name: string, tool: ToolFunction, ownSchema: unknown): ToolFunction => {
    const given = Object.hasOwn(schemas, name) ? schemas[name] : ownSchema;
    const schema = given === undefined ? undefined : toStandardSchema(given, `guardTools.schemas.${name}`);
    const effect = Object.hasOwn(effects, name) ? effects[name] : undefined;
    return async function (this: unknown, args: unknown, ...rest: never[]) {
      const hop = { kind: `tool_${toolset}`, action: `tools/call/${name}` };
      try {
        const { hop: checked } = await session.authorize(
          { ...hop, attr: { arguments: parseArguments(args), ...(effect && { effect }) } },
          schema ? { schema } : untyped === "deny" ? { refuse: untypedTool(name) } : {},
        );
        return await tool.call(this, checked.attr.arguments as never, ...rest);
      } catch (error) {
        if (denials === "return" && isOwnDenial(error, hop)) return error.denial;
        throw error;
      }
    };
  };

  const guarded = Object.entries(tools).map(([name, tool]) => {
    if (!isToolName(name))
      throw new ConfigurationError(
        `guardTools: ${JSON.stringify(name)} is not a name for a tool: use A-Z, a-z, 0-9 and _./-`,
      );
    if (typeof tool === "function") return [name, guard(name, tool, undefined)] as const;
    const runners = RUNNERS.flatMap((runner) => (tool[runner] ? [{ runner, run: tool[runner] }] : []));
    if (runners.length === 0) {
      throw new ConfigurationError(
        `guardTools: the tool "${name}" has no function as execute, run or handler`,
      );
    }
    const schema = SCHEMAS.map((member) => tool[member]).find((member) => member !== undefined);
    const wrapped = runners.map(({ runner, run }) => [runner, guard(name, run, schema)] as const);
    return [name, { ...tool, ...Object.fromEntries(wrapped) }] as const;
  });
  return Object.freeze(Object.fromEntries(guarded)) as T;
}

/** Models write arguments as JSON text; what is no JSON object is left for the pipeline to refuse. */
function parseArguments(args: unknown): unknown {
  if (args === undefined) return {};
  if (typeof args !== "string") return args;
  try {
    return parseStrictJson(args);
  } catch (error) {
    if (error instanceof InvalidJsonError) return args;
    throw error;
  }
}

function untypedTool(name: string) {
  return {
    code: "arguments_invalid",
    reason: `The tool "${name}" has no schema; the options \`schemas\` or \`untyped: "allow"\` of guardTools admit it.`,
  } as const;
}

/** A tool may itself use a guarded client; what was denied in there is the tool's own affair. */
function isOwnDenial(
  error: unknown,
  hop: { kind: string; action: string },
): error is AuthorizationDeniedError {
  return (
    AuthorizationDeniedError.isInstance(error) &&
    error.denial.hop.kind === hop.kind &&
    error.denial.hop.action === hop.action
  );
}
