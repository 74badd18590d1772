import { denialForModel } from "../shared/agent-tools/denial-text";
import { needsStepUp, readStatus, type ApprovalStatus } from "./approval-status";
import { askOf } from "./guarded-tool";

/** What `ai` 7 asks a `toolApproval` about. */
export interface ApprovalQuestion {
  readonly toolCall: {
    readonly toolName: string;
    readonly input: unknown;
    readonly providerExecuted?: boolean | undefined;
  };
  readonly tools: object | undefined;
  readonly messages?: readonly unknown[];
  /** What the application handed to the run. */
  readonly runtimeContext?: unknown;
}

/** A rule of the application's own. What it answers is typed, and read all the same. */
export type ApprovalRule = (question: ApprovalQuestion) => ApprovalStatus | PromiseLike<ApprovalStatus>;

/**
 * A `toolApproval` for `ai` 7 over guarded tools: a call that would be denied is denied before it is run, with a reason that the model reads; one that
 * a step-up would help waits for the user's approval; a tool that is not guarded is denied. Whatever is approved, also by the user, is decided again when it is
 * run.
 *
 * `also` is a rule of the application's own, which can ask for more approvals or deny. What it throws, and a status that is misspelt, denies.
 */
export function hopguardApproval(
  also?: ApprovalRule,
): (question: ApprovalQuestion) => Promise<ApprovalStatus> {
  return async (question) => {
    const theirs = also ? await answerOf(also, question) : undefined;
    if (typeOf(theirs) === "denied") return theirs;
    const ours = await policyStatus(question);
    return ours ?? theirs;
  };
}

async function policyStatus({ toolCall, tools }: ApprovalQuestion): Promise<ApprovalStatus> {
  // It ran where it was declared.
  if (toolCall.providerExecuted === true) return undefined;
  const { toolName, input } = toolCall;
  // Own properties only: `constructor` is no tool.
  const tool: unknown = tools && Object.hasOwn(tools, toolName) ? Reflect.get(tools, toolName) : undefined;
  const ask = askOf(tool);
  if (!ask) return { type: "denied", reason: `The tool "${toolName}" is not guarded, and so not run.` };
  const foreseen = await ask(input, { lookUp: true });
  if (foreseen.effect === "allow") return undefined;
  if (needsStepUp(foreseen)) return { type: "user-approval", reason: foreseen.denial.reason };
  // Now for good, so that it counts as the denial that it is.
  const decision = await ask(input, { lookUp: false });
  if (decision.effect === "deny") return { type: "denied", reason: denialForModel(decision.denial) };
  decision.settle("failed");
  return undefined;
}

async function answerOf(also: ApprovalRule, question: ApprovalQuestion): Promise<ApprovalStatus> {
  try {
    return readStatus(await also(question));
  } catch {
    return readStatus(null);
  }
}

function typeOf(status: ApprovalStatus): string | undefined {
  return typeof status === "object" ? status.type : status;
}
