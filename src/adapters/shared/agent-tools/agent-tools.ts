import type { DenyDecision } from "../../../core/decision";
import { AuthorizationDeniedError, denialError } from "../../../core/errors";
import { InvalidJsonError } from "../../../core/json";
import type { Session } from "../../../core/session";
import type { StandardSchema } from "../../../core/standard-schema";
import { parseStrictJson } from "../../../core/strict-json";
import { refusing } from "../argument-schemas";
import { toStandardSchema } from "../json-schema";
import { checkTogether, type JointAllow } from "../joint-decision";
import { askWithInnerCalls, type ToolCall, type ToolQuestion } from "../meta-tools";
import type { ToolOrigin } from "../model-api/options";
import { runWatched } from "../run-watched";
import { hiddenNames } from "../hidden-names";
import { originReader, type AgentToolsOptions, type OriginOf } from "./options";

/** A call as a framework hands it on. */
export interface AgentToolCall {
  /** The tool, by the name that the model knows. */
  readonly name: string;
  /** The arguments, or their JSON text. They are read before the first `await`. */
  readonly arguments: unknown;
  /** Where the tool belongs, if whoever made it knows: another may have its name by now. Default: what the options say. */
  readonly origin?: ToolOrigin;
  /** What the framework's own tool says of them: a Standard Schema or a JSON Schema. The operator's goes before it. */
  readonly schema?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** Only ask what the decision would be, as `CheckOptions` has it: an allow is no permission. */
  readonly lookUp?: boolean;
}

/** The tools of an agent, whatever framework runs them, decided on behalf of one session. */
export class AgentTools {
  readonly #session: Session;
  readonly #originOf: OriginOf;
  readonly #allowUntyped: boolean;

  /** @throws {ConfigurationError} naming the wrong option. */
  constructor(
    private readonly caller: string,
    session: Session,
    options: AgentToolsOptions,
  ) {
    this.#session = session;
    this.#originOf = originReader(caller, options);
    this.#allowUntyped = options.untyped === "allow";
  }

  /** Decides a call. Whoever gets an allow runs the tool on `hop.attr.arguments`, which is what was checked, and settles. */
  async decide(call: AgentToolCall): Promise<JointAllow | DenyDecision> {
    const { name, schema, signal, lookUp = false } = call;
    const origin = call.origin ?? this.#find(name);
    const asked = origin
      ? this.#questions(origin, name, parseArguments(call.arguments), schema)
      : [unknownTool(name)];
    // Without a pause where nothing has to be found out first: until `check` has read them, the arguments are the caller's to change.
    const questions = asked instanceof Promise ? await asked : asked;
    const decision = await checkTogether(
      this.#session,
      questions.map(({ kind, action, attr, ...options }) => ({
        hop: { kind, action, attr },
        options: { ...options, lookUp, ...(signal && { signal }) },
      })),
    );
    if (!decision) throw new Error("a call of a tool is at least one question");
    return decision;
  }

  /**
   * Decides a call and runs it on the arguments that were checked, for as long as it may run. A denial is a result, also one that comes while the tool
   * runs; what `run` itself throws is thrown.
   */
  async attempt<T>(
    call: AgentToolCall,
    run: (args: unknown, withdrawn: AbortSignal) => T,
  ): Promise<Awaited<T> | AuthorizationDeniedError> {
    const decision = await this.decide(call);
    if (decision.effect === "deny") return denialError(decision.denial);
    return runWatched(decision, (withdrawn) => run(decision.hop.attr.arguments, withdrawn));
  }

  /** The same. @throws {AuthorizationDeniedError} and {ApprovalRequiredError} with the denial. */
  async run<T>(call: AgentToolCall, run: (args: unknown, withdrawn: AbortSignal) => T): Promise<Awaited<T>> {
    const result = await this.attempt(call, run);
    if (result instanceof AuthorizationDeniedError) throw result;
    return result;
  }

  /** Those that this principal may never use, so that the model need not learn of them. @throws {AuthorizationDeniedError} when the policy cannot say. */
  hidden(names: readonly string[], signal?: AbortSignal): Promise<ReadonlySet<string>> {
    return hiddenNames((name) => this.#find(name), this.#session, names, signal);
  }

  #find(name: string): ToolOrigin | undefined {
    try {
      return this.#originOf(name);
    } catch {
      // The operator's own function: what it has no answer for is not known.
      return undefined;
    }
  }

  #questions(
    origin: ToolOrigin,
    name: string,
    args: unknown,
    schema: unknown,
  ): readonly ToolQuestion[] | Promise<readonly ToolQuestion[]> {
    const { tool = name, metaTool } = origin;
    const call: ToolCall = { kind: kindOf(origin), tool, arguments: args, isInner: false };
    if (!metaTool) return [this.#question(call, origin, schema)];
    const metaTools = {
      get: (inner: string) => (inner === tool ? metaTool : this.#findInner(call.kind, inner)?.metaTool),
    };
    return askWithInnerCalls(call, metaTools, (each) =>
      each.isInner
        ? this.#question(each, this.#findInner(each.kind, each.tool) ?? {}, undefined)
        : this.#question(each, origin, schema),
    );
  }

  /** What a meta tool calls is known if it has an entry under its own name. */
  #findInner(kind: string, tool: string): ToolOrigin | undefined {
    const origin = this.#find(tool);
    return origin && kindOf(origin) === kind && (origin.tool ?? tool) === tool ? origin : undefined;
  }

  #question(
    { kind, tool, arguments: args }: ToolCall,
    { effect, schema: given, untyped }: Pick<ToolOrigin, "effect" | "schema" | "untyped">,
    own: unknown,
  ): ToolQuestion {
    const schema = usable(given ?? own) ?? (this.#allows(untyped) ? undefined : untypedBy(this.caller));
    return {
      kind,
      action: `tools/call/${tool}`,
      attr: { arguments: args, ...(effect && { effect }) },
      ...(schema && { schema }),
    };
  }

  #allows(untyped: ToolOrigin["untyped"]): boolean {
    return untyped === undefined ? this.#allowUntyped : untyped === "allow";
  }
}

const untypedBy = (caller: string): StandardSchema =>
  refusing(
    `have no schema; a schema for the tool, or \`untyped: "allow"\`, in the options of ${caller} admits them`,
  );

/** Compiled once: the same object comes with every call. */
const compiled = new WeakMap<object, StandardSchema>();

/** A schema that cannot be used types nothing, and so nothing may pass by it. */
function usable(schema: unknown): StandardSchema | undefined {
  if (schema === undefined) return undefined;
  const known = typeof schema === "object" && schema !== null ? compiled.get(schema) : undefined;
  if (known) return known;
  try {
    const usable = toStandardSchema(schema, "schema");
    compiled.set(schema as object, usable);
    return usable;
  } catch (error) {
    return refusing(`have no schema that can be used: ${(error as Error).message}`);
  }
}

function kindOf({ server, toolset }: Pick<ToolOrigin, "server" | "toolset">): string {
  return server !== undefined ? `mcp_${server}` : `tool_${String(toolset)}`;
}

function unknownTool(name: string): ToolQuestion {
  const reason = `No option says where the tool "${name}" belongs: name it in \`tools\`, or give \`toolset\`.`;
  const refuse = { code: "unsupported_hop", reason } as const;
  return { kind: "tool_unknown", action: `tools/call/${name}`, attr: {}, refuse };
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
