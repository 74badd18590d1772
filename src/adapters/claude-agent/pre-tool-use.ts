import { denialForModel } from "../shared/agent-tools/denial-text";
import type { Hook, HookOutput, StopHookInput, ToolHookInput } from "./sdk-types";
import type { ToolDecisions } from "./tool-decisions";

/** What the model reads where not even a denial could be made. */
const NOT_DECIDED = "This call could not be decided, and was not made.";

/**
 * The hook that decides every call of a tool. It never rejects: left to itself, the SDK runs the tool when a hook throws or answers
 * something that it cannot read.
 *
 * An allow carries the arguments that were checked and no decision for the SDK: its own permission rules, which an `allow` would overrule, still apply.
 */
export function preToolUse(decisions: ToolDecisions, asksPerson: boolean): Hook {
  return async ({ tool_name: name, tool_input: input, tool_use_id: id }, _, { signal }) => {
    try {
      const decision = await decisions.decide({ id, name, input, signal });
      if (decision.effect === "allow") {
        return {
          hookSpecificOutput: {
            hookEventName: "PreToolUse",
            updatedInput: decision.hop.attr.arguments,
          },
        };
      }
      const { denial } = decision;
      if (!asksPerson || denial.remediation?.type !== "step_up") return denied(denialForModel(denial));
      decisions.ask(id, denial);
      return {
        hookSpecificOutput: {
          hookEventName: "PreToolUse",
          permissionDecision: "ask",
          permissionDecisionReason: denial.reason,
        },
      };
    } catch {
      return denied(NOT_DECIDED);
    }
  };
}

/**
 * A hook of the user's own beside ours. All run at once, and the last to change the arguments wins: what it changes them to nobody has
 * checked, and so that denies the call.
 */
export function withoutChanges(hook: Hook): Hook {
  return async (...args) => {
    const output = (await hook(...args)) as HookOutput | undefined;
    return output?.hookSpecificOutput?.updatedInput === undefined
      ? (output ?? {})
      : denied("A hook beside the guard's would change the arguments of this call. Do not retry it.");
  };
}

/** Says how a call has gone. */
export function afterToolUse(decisions: ToolDecisions, outcome: "done" | "failed"): Hook {
  return ({ tool_use_id: id, tool_response: response }: ToolHookInput) => {
    decisions.settle(id, outcome, backgroundTask(response));
    return Promise.resolve({});
  };
}

/** Says, at the end of a turn, what goes on in the background. */
export function afterTurn(decisions: ToolDecisions): Hook<StopHookInput> {
  return ({ background_tasks: tasks }) => {
    if (tasks) decisions.goOn(new Set(tasks.map(({ id }) => id)));
    return Promise.resolve({});
  };
}

/** The task that a call goes on as: a command, whoever sent it to the background, or an agent. */
function backgroundTask(response: unknown): string | undefined {
  if (typeof response !== "object" || response === null) return undefined;
  const { backgroundTaskId, status, agentId } = response as Readonly<Record<string, unknown>>;
  const task = backgroundTaskId ?? (status === "async_launched" ? agentId : undefined);
  return typeof task === "string" ? task : undefined;
}

function denied(reason: string): HookOutput {
  return {
    hookSpecificOutput: {
      hookEventName: "PreToolUse",
      permissionDecision: "deny",
      permissionDecisionReason: reason,
    },
  };
}
