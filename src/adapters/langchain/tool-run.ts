import type { AuthorizationDeniedError } from "../../core/errors";
import { denialError } from "../../core/errors";
import type { Session } from "../../core/session";
import type { AgentTools } from "../shared/agent-tools/agent-tools";
import { denialForModel } from "../shared/agent-tools/denial-text";
import type { JointAllow } from "../shared/joint-decision";

/** A run of a tool, as a handler is told of it. */
export interface ToolRun {
  /** The run's name, which is the tool's unless somebody has given the run another. A tool of a class of its own has none. */
  readonly name: string | undefined;
  /** The arguments, as JSON text. */
  readonly input: string;
  readonly className: string | undefined;
}

/** Which call it is, to tell two runs under one id apart. */
export const callOf = (name: string | undefined, input: string): string => JSON.stringify([name, input]);

/**
 * Decides a run of a tool. What a model reads of the denial is the error's message.
 *
 * @throws {AuthorizationDeniedError} with the denial.
 */
export async function decideToolRun(
  session: Session,
  tools: AgentTools,
  { name, input, className = "unknown" }: ToolRun,
): Promise<JointAllow> {
  const decision =
    name === undefined
      ? await session.check(
          { kind: "tool_unknown", action: `tools/call/${className}` },
          { refuse: { code: "unsupported_hop", reason: nameless(className) } },
        )
      : await tools.decide({ name, arguments: input });
  if (decision.effect === "allow") return decision as JointAllow;
  throw forModel(denialError(decision.denial));
}

/** `ToolNode` makes the model's next message of an error's message, and of nothing else. */
function forModel(error: AuthorizationDeniedError): AuthorizationDeniedError {
  error.message = denialForModel(error.denial);
  return error;
}

const nameless = (className: string): string =>
  `LangChain does not tell its handlers the name of a tool of the class ${className}: guard it with guardLangChainTools or hopguardMiddleware.`;
