import { denialError } from "../../core/errors";
import { InvalidJsonError } from "../../core/json";
import type { Session } from "../../core/session";
import { parseStrictJson } from "../../core/strict-json";
import { refusing } from "../shared/argument-schemas";
import { checkTogether, type JointAllow } from "../shared/joint-decision";
import { askWithInnerCalls, type ToolCall, type ToolQuestion } from "../shared/meta-tools";
import type { Settings } from "./options";

/** The calls of a toolset, decided on behalf of one session. */
export class ToolCalls {
  constructor(
    private readonly session: Session,
    private readonly settings: Settings,
  ) {}

  /**
   * Decides a call. The arguments are read before the first `await`; those to run the tool with are in the answer.
   *
   * @throws {AuthorizationDeniedError} and {ApprovalRequiredError} for the first question that is answered with a denial.
   */
  async authorize(tool: string, args: unknown, signal: AbortSignal | undefined): Promise<JointAllow> {
    const { kind, metaTools } = this.settings;
    const call = { kind, tool, arguments: parseArguments(args), isInner: false };
    const ask = (each: ToolCall): ToolQuestion => this.#question(each);
    const questions = metaTools.has(tool) ? await askWithInnerCalls(call, metaTools, ask) : [ask(call)];
    const decision = await checkTogether(
      this.session,
      questions.map(({ kind, action, attr, ...options }) => ({
        hop: { kind, action, attr },
        options: { ...options, ...(signal && { signal }) },
      })),
    );
    if (decision?.effect === "allow") return decision;
    throw decision ? denialError(decision.denial) : new Error("a call of a tool is at least one question");
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
