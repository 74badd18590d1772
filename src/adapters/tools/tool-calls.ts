import { InvalidJsonError, type JsonValue } from "../../core/json";
import type { Session } from "../../core/session";
import { parseStrictJson } from "../../core/strict-json";
import { refusing } from "../shared/argument-schemas";
import { askWithInnerCalls, type ToolCall, type ToolQuestion } from "../shared/meta-tools";
import type { Settings } from "./options";

/** The calls of a toolset, decided on behalf of one session. */
export class ToolCalls {
  constructor(
    private readonly session: Session,
    private readonly settings: Settings,
  ) {}

  /**
   * Resolves to the arguments to run the tool with. They are read before the first `await`.
   *
   * @throws {AuthorizationDeniedError} and {ApprovalRequiredError} for the first question that is answered with a denial.
   */
  async authorize(
    tool: string,
    args: unknown,
    signal: AbortSignal | undefined,
  ): Promise<JsonValue | undefined> {
    const { kind, metaTools } = this.settings;
    const call = { kind, tool, arguments: parseArguments(args), isInner: false };
    const ask = (each: ToolCall): ToolQuestion => this.#question(each);
    const questions = metaTools.has(tool) ? await askWithInnerCalls(call, metaTools, ask) : [ask(call)];
    const [own] = await this.#authorizeAll(questions, signal);
    return own;
  }

  /** Asked together, and answered in their order. */
  async #authorizeAll(
    questions: readonly ToolQuestion[],
    signal: AbortSignal | undefined,
  ): Promise<readonly (JsonValue | undefined)[]> {
    const outcomes = await Promise.allSettled(
      questions.map(({ kind, action, attr, ...options }) =>
        this.session.authorize({ kind, action, attr }, { ...options, ...(signal && { signal }) }),
      ),
    );
    return outcomes.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value.hop.attr.arguments;
    });
  }

  /** A tool of another owner, which a meta tool may call, is not known here. */
  #question({ kind, tool, arguments: args }: ToolCall): ToolQuestion {
    const { allowUntyped, effects, schemas } = this.settings;
    const isOwn = kind === this.settings.kind;
    const effect = isOwn ? effects.get(tool) : undefined;
    const schema = (isOwn ? schemas.get(tool) : undefined) ?? (allowUntyped ? undefined : UNTYPED);
    return {
      kind,
      action: `tools/call/${tool}`,
      attr: { arguments: args, ...(effect && { effect }) },
      ...(schema && { schema }),
    };
  }
}

const UNTYPED = refusing(
  'have no schema; the options `schemas` or `untyped: "allow"` of guardTools admit them',
);

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
