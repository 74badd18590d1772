import { ConfigurationError } from "../../core/errors";
import { isToolName } from "../../core/names";

/** What a tool runs. Whatever a framework passes beside the arguments is handed on. */
export type ToolFunction = (args: never, ...rest: never[]) => unknown;

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

/** Tools by name. */
export type LocalTools = Readonly<Record<string, LocalTool>>;

/** The same tools. Each answers with a promise now, because it is checked first; `Denied` is what it may answer instead. */
export type GuardedTools<T extends LocalTools, Denied = never> = {
  readonly [Name in keyof T]: GuardedTool<T[Name], Denied>;
};

type GuardedTool<T, Denied> = T extends (...args: infer Args) => infer Result
  ? (...args: Args) => Promise<Awaited<Result> | Denied>
  : { readonly [Member in keyof T]: Member extends Runner ? GuardedTool<T[Member], Denied> : T[Member] };

const RUNNERS = ["execute", "run", "handler"] as const;
type Runner = (typeof RUNNERS)[number];
const SCHEMAS = ["inputSchema", "parameters", "schema"] as const;

/** The schema that a tool brings along, by whatever name. */
export function ownSchema(tool: LocalTool): unknown {
  if (typeof tool !== "object") return undefined;
  const given = (tool as typeof tool | null) ?? {};
  return SCHEMAS.map((member) => given[member]).find((member) => member !== undefined);
}

/**
 * The tool with its functions wrapped and everything else as it was.
 *
 * @throws {ConfigurationError} for a name that no policy could rely on, or nothing to run.
 */
export function wrapTool(
  name: string,
  tool: LocalTool,
  wrap: (run: ToolFunction) => ToolFunction,
): LocalTool {
  if (!isToolName(name)) {
    throw new ConfigurationError(
      `guardTools: ${JSON.stringify(name)} is not a name for a tool: use A-Z, a-z, 0-9 and _./-`,
    );
  }
  if (typeof tool === "function") return wrap(tool);
  const given = (tool as typeof tool | null) ?? {};
  const wrapped = RUNNERS.flatMap((runner) => {
    const run: unknown = given[runner];
    if (typeof run !== "function") return [];
    // Bound to the object that was given: a class's private members are not in a copy.
    return [[runner, { value: wrap(run.bind(given) as ToolFunction), enumerable: true }] as const];
  });
  if (wrapped.length === 0) {
    throw new ConfigurationError(`guardTools: the tool "${name}" has no function as execute, run or handler`);
  }
  const members = { ...Object.getOwnPropertyDescriptors(given), ...Object.fromEntries(wrapped) };
  return Object.create(Object.getPrototypeOf(given) as object, members) as LocalTool;
}
