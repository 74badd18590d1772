import { AuthorizationDeniedError } from "../../core/errors";
import { denialForModel } from "../shared/agent-tools/denial-text";
import { runWatched } from "../shared/run-watched";
import type { CallDetails, FunctionTool, ToolCallItem } from "./framework";
import type { AllowedCall, ToolGate } from "./tool-gate";

/**
 * The same tool, each call of which is decided by its last input guardrail, in the words that the SDK has for a refusal (`rejectContent`), and
 * run on what was decided. Guardrails hold in the runner alone: a call that comes by another way is decided when it is run.
 */
export function guardedTool(tool: FunctionTool, gate: ToolGate, interrupts: boolean): FunctionTool {
  const { invoke: run, needsApproval: asksAnyway } = tool;
  // By the object of the call: its id is the model's, which may give it twice.
  const allowed = new WeakMap<ToolCallItem, AllowedCall>();

  const guardrail = {
    type: "tool_input",
    name: "hopguard",
    run: async ({ toolCall }: { readonly toolCall: ToolCallItem }) => {
      const decision = await gate.decide(toolCall.arguments);
      if (decision.effect === "deny") {
        const { denial } = decision;
        return {
          behavior: { type: "rejectContent", message: denialForModel(denial) },
          outputInfo: { denial },
        };
      }
      allowed.set(toolCall, decision);
      return { behavior: { type: "allow" } };
    },
  };

  const take = (call: ToolCallItem | undefined): AllowedCall | undefined => {
    const decision = call && allowed.get(call);
    // Of one decision comes one call.
    if (call) allowed.delete(call);
    return decision;
  };

  const invoke = async (context: unknown, input: string, details?: CallDetails): Promise<unknown> => {
    const decision = take(details?.toolCall) ?? (await gate.decide(input, { signal: details?.signal }));
    if (decision.effect === "deny") return denialForModel(decision.denial);
    const result = await runWatched(decision, (withdrawn) =>
      run(context, decision.input, withSignal(details, withdrawn)),
    );
    return result instanceof AuthorizationDeniedError ? denialForModel(result.denial) : result;
  };

  const needsApproval: FunctionTool["needsApproval"] = async (context, args, callId) => {
    // Nobody is asked to approve what no approval would help. The approval itself allows nothing: the call is decided when it is made.
    const decision = await gate.decide(args, { lookUp: true });
    if (decision.effect === "deny") return decision.denial.remediation?.type === "step_up";
    // Older versions forget a rejection once nothing needs approval any more.
    if (context.isToolApproved({ toolName: tool.name, callId }) === false) return true;
    return asksAnyway(context, args, callId);
  };

  return {
    ...tool,
    inputGuardrails: [...(tool.inputGuardrails ?? []), guardrail],
    invoke,
    ...(interrupts && { needsApproval }),
  };
}

/** The SDK keeps things of its own in the details, which only descriptors copy. */
function withSignal(details: CallDetails | undefined, withdrawn: AbortSignal): CallDetails {
  const signal = details?.signal ? AbortSignal.any([details.signal, withdrawn]) : withdrawn;
  const descriptors = {
    ...Object.getOwnPropertyDescriptors(details ?? {}),
    signal: { value: signal, enumerable: true, configurable: true, writable: true },
  };
  return Object.create(Object.prototype, descriptors) as CallDetails;
}
