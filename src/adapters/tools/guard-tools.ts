import * as z from "zod";
import type { Denial } from "../../core/denial";
import { AuthorizationDeniedError, ConfigurationError } from "../../core/errors";
import { TOOL_EFFECTS, type ToolEffect } from "../../core/hop";
import { InvalidJsonError } from "../../core/json";
import { assertKindPart } from "../../core/names";
import { parseOptions } from "../../core/options";
import type { Session } from "../../core/session";
import { parseStrictJson } from "../../core/strict-json";
import { assertSession } from "../shared/assert-session";
import { toStandardSchema } from "../shared/json-schema";
import { wrapTool, type GuardedTools, type LocalTools, type ToolFunction } from "./local-tool";

/** How a toolset's calls are named and typed for the policy. */
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
  effects: z.record(z.string(), z.enum(TOOL_EFFECTS)).default({}),
  schemas: z.record(z.string(), z.unknown()).default({}),
  untyped: z.enum(["deny", "allow"]).default("deny"),
  denials: z.enum(["throw", "return"]).default("throw"),
});

type DenialIn<Mode> = Mode extends "return" ? Denial : never;

/**
 * Wraps the functions of local tools: each call is checked, and then run on the very arguments that were checked, frozen. What comes back has the
 * shape of what was given.
 *
 * @throws {ConfigurationError} naming the wrong option, or the tool whose name or schema no policy could rely on.
 */
export function guardTools<T extends LocalTools, Mode extends "throw" | "return" = "throw">(
  tools: T,
  session: Session,
  options: GuardToolsOptions & { readonly denials?: Mode },
): GuardedTools<T, DenialIn<Mode>> {
  const { toolset, effects, schemas, untyped, denials } = parseOptions(optionsSchema, "guardTools", options);
  assertKindPart(toolset, "guardTools.toolset");
  assertSession("guardTools", session);
  if (typeof tools !== "object" || (tools as unknown) === null || Array.isArray(tools))
    throw new ConfigurationError("guardTools: expected an object of tools by name");
  for (const [option, names] of Object.entries({ effects, schemas })) {
    const unknown = Object.keys(names).find((name) => !Object.hasOwn(tools, name));
    if (unknown !== undefined)
      throw new ConfigurationError(`guardTools.${option}: there is no tool "${unknown}"`);
  }

  const guard = (name: string, run: ToolFunction, ownSchema: unknown): ToolFunction => {
    const given = Object.hasOwn(schemas, name) ? schemas[name] : ownSchema;
    const schema = given === undefined ? undefined : toStandardSchema(given, `guardTools.schemas.${name}`);
    const effect = Object.hasOwn(effects, name) ? effects[name] : undefined;
    return async function (this: unknown, args: unknown, ...rest: never[]) {
      const hop = { kind: `tool_${toolset}`, action: `tools/call/${name}` };
      const signal = signalOf(rest[0]);
      try {
        const { hop: checked } = await session.authorize(
          { ...hop, attr: { arguments: parseArguments(args), ...(effect && { effect }) } },
          {
            ...(signal && { signal }),
            ...(schema && { schema }),
            ...(!schema && untyped === "deny" && { refuse: untypedTool(name) }),
          },
        );
        return await run.call(this, checked.attr.arguments as never, ...rest);
      } catch (error) {
        if (denials === "return" && isOwnDenial(error, hop)) return error.denial;
        throw error;
      }
    };
  };

  const guarded = Object.entries(tools).map(
    ([name, tool]) => [name, wrapTool(name, tool, (run, schema) => guard(name, run, schema))] as const,
  );
  return Object.freeze(Object.fromEntries(guarded)) as GuardedTools<T, DenialIn<Mode>>;
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

/** Frameworks hand a tool its signal in the second argument: the AI SDK as `abortSignal`, others as `signal`. */
function signalOf(options: unknown): AbortSignal | undefined {
  const { abortSignal, signal } = (options ?? {}) as Readonly<Record<string, unknown>>;
  return [abortSignal, signal].find((candidate) => candidate instanceof AbortSignal);
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
