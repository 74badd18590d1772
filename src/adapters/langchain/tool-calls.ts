import type { Denial } from "../../core/denial";
import { AuthorizationDeniedError, denialError } from "../../core/errors";
import type { Session } from "../../core/session";
import { AgentTools } from "../shared/agent-tools/agent-tools";
import { originReader, type OriginOf } from "../shared/agent-tools/options";
import { runWatched } from "../shared/run-watched";
import { deniedMessage } from "./denied-message";
import type { ToolOrigin } from "../shared/model-api/options";
import type { ToolCheckSettings } from "./options";
import { argumentReader } from "./tool-arguments";

/** A call of a tool, as LangChain makes it. */
export interface ToolCall {
  readonly name: string;
  readonly arguments: unknown;
  /** The tool's own. */
  readonly schema: unknown;
  /** The model's call that this is. Without one, somebody calls the tool by hand, and gets a denial as an error. */
  readonly id: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** LangGraph's, in a graph. */
  readonly interrupt: unknown;
}

/** The calls of tools, decided on behalf of one session, and denied as LangChain tells its models. */
export class ToolCalls {
  readonly #session: Session;
  readonly #originOf: OriginOf;
  readonly #settings: ToolCheckSettings;
  readonly #caller: string;

  /** @throws {ConfigurationError} naming the wrong option. */
  constructor(caller: string, session: Session, settings: ToolCheckSettings) {
    const originOf = originReader(caller, settings);
    // A name that the operator's map throws at is not known.
    this.#originOf = (name) => {
      try {
        return originOf(name);
      } catch {
        return undefined;
      }
    };
    this.#caller = caller;
    this.#session = session;
    this.#settings = settings;
  }

  /** Those that this principal may never use. @throws {AuthorizationDeniedError} when the policy cannot say. */
  hidden(names: readonly string[], signal?: AbortSignal): Promise<ReadonlySet<string>> {
    return this.#tools(this.#originOf).hidden(names, signal);
  }

  /**
   * Decides a call and runs it on the arguments that were checked, for as long as it may run. The model reads a denial as the call's result, also that of a
   * call within.
   *
   * @throws {AuthorizationDeniedError} for a call that is none of a model's; what LangGraph's `interrupt` and `run` throw.
   */
  async run(call: ToolCall, run: (input: unknown, withdrawn: AbortSignal) => unknown): Promise<unknown> {
    const { name, signal, id } = call;
    const origin = this.#originOf(name);
    // The operator's schema is held before the tool's own here, and not in its place: the tool needs what its own makes of the arguments.
    const args = argumentReader(call.schema, origin?.schema);
    const tools = this.#tools((each) =>
      each === name ? origin && withoutSchema(origin) : this.#originOf(each),
    );
    const asked = { name, arguments: call.arguments, schema: args.schema, signal };
    const decision = await tools.decide(asked);
    if (decision.effect === "deny") {
      this.#interrupt(call, decision.denial);
      return told(call, decision.denial);
    }
    try {
      const result = await runWatched(decision, (withdrawn) =>
        run(args.toInput(decision.hop.attr.arguments), withdrawn),
      );
      return result instanceof AuthorizationDeniedError ? told(call, result.denial) : result;
    } catch (error) {
      const denial = ownDenial(error);
      if (denial === undefined || id === undefined) throw error;
      return deniedMessage(denial, name, id);
    }
  }

  #tools(tools: OriginOf): AgentTools {
    const { untyped } = this.#settings;
    return new AgentTools(this.#caller, this.#session, { tools, ...(untyped && { untyped }) });
  }

  /** Throws, until the graph is resumed. With what, decides nothing: the policy was asked again just now, and still says no. */
  #interrupt({ name, arguments: args, interrupt }: ToolCall, denial: Denial): void {
    const isStepUp = denial.remediation?.type === "step_up";
    if (this.#settings.stepUp === "interrupt" && isStepUp && typeof interrupt === "function")
      (interrupt as (value: unknown) => unknown)({ tool: name, arguments: args, denial });
  }
}

function told({ name, id }: ToolCall, denial: Denial): unknown {
  if (id === undefined) throw denialError(denial);
  return deniedMessage(denial, name, id);
}

/** LangChain wraps errors in its own, some times over. */
const MAX_CAUSES = 8;

/** The denial of a call within. Only hopguard's own errors count: what a server answers may look like a denial, and be none. */
function ownDenial(error: unknown): Denial | undefined {
  let candidate = error;
  for (let depth = 0; depth < MAX_CAUSES; depth++) {
    if (AuthorizationDeniedError.isInstance(candidate)) return candidate.denial;
    candidate = (candidate as { readonly cause?: unknown } | null | undefined)?.cause;
  }
  return undefined;
}

function withoutSchema({ schema: _, ...origin }: ToolOrigin): ToolOrigin {
  return origin;
}
