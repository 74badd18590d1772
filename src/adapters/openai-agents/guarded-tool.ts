import type { DenyDecision } from "../../core/decision";
import { AuthorizationDeniedError } from "../../core/errors";
import { denialForModel } from "../shared/agent-tools/denial-text";
import { runWatched } from "../shared/run-watched";
import type { CallDetails, FunctionTool, RunContext, ToolCallItem } from "./framework";
import type { AllowedCall, ToolGate } from "./tool-gate";

/** How long a decision waits for its call, which the runner makes at once. One that comes later is decided again. */
const UNCALLED_MS = 1000;

/**
 * The same tool, each call of which is decided by its last input guardrail, in the words that the SDK has for a refusal (`rejectContent`), and
 * run on what was decided. Guardrails hold in the runner alone: a call that comes by another way is decided when it is run.
 */
export function guardedTool(tool: FunctionTool, gate: ToolGate, interrupts: boolean): FunctionTool {
  const { invoke: run, needsApproval: asksAnyway } = tool;
  // A refusal of a tool whose output is typed ends the run, with words of the SDK's own: such a denial is told in the place of the result.
  const toldAsResult = tool.outputSchema !== undefined && !tool.errorFunction;
  // By the object of the call: its id is the model's, which may give it twice.
  const decided = new WeakMap<ToolCallItem, AllowedCall | DenyDecision>();
  /** The calls of a run, by id, that somebody is to approve. */
  const awaited = new WeakMap<RunContext, Set<string | undefined>>();

  const guardrail = {
    type: "tool_input",
    name: "hopguard",
    run: async ({ context, toolCall }: GuardrailInput) => {
      // With `preApprovalInputGuardrails` it comes before the approval, too, and a refusal would keep everybody from being asked.
      if (isAwaited(context, toolCall)) return { behavior: { type: "allow" } };
      giveUp(toolCall);
      const decision = await gate.decide(toolCall.arguments);
      if (decision.effect === "allow" || toldAsResult) {
        decided.set(toolCall, decision);
        giveUpLater(toolCall, decision);
      }
      if (decision.effect === "allow") return { behavior: { type: "allow" } };
      const { denial } = decision;
      return {
        behavior: toldAsResult
          ? { type: "allow" }
          : { type: "rejectContent", message: denialForModel(denial) },
        outputInfo: { denial },
      };
    },
  };

  const take = (call: ToolCallItem | undefined): AllowedCall | DenyDecision | undefined => {
    const decision = call && decided.get(call);
    // Of one decision comes one call.
    if (call) decided.delete(call);
    return decision;
  };

  /** A hook that throws, or an end of the run, may come between: what was reserved for a call that is never made is not kept from others. */
  const giveUpLater = (call: ToolCallItem, decision: AllowedCall | DenyDecision): void => {
    const timer = setTimeout(() => {
      if (decided.get(call) === decision) giveUp(call);
    }, UNCALLED_MS);
    (timer as { readonly unref?: () => void }).unref?.();
  };
  const giveUp = (call: ToolCallItem): void => {
    const decision = take(call);
    if (decision?.effect === "allow") decision.settle("failed");
  };

  const invoke = async (context: unknown, input: string, details?: CallDetails): Promise<unknown> => {
    const decision = take(details?.toolCall) ?? (await gate.decide(input, { signal: details?.signal }));
    if (decision.effect === "deny") return denialForModel(decision.denial);
    const result = await runWatched(decision, (withdrawn) =>
      run(context, decision.input, withSignal(details, withdrawn)),
    );
    return result instanceof AuthorizationDeniedError ? denialForModel(result.denial) : result;
  };

  const asks: FunctionTool["needsApproval"] = async (context, args, callId) => {
    // Nobody is asked to approve what no approval would help. The approval itself allows nothing: the call is decided when it is made.
    const decision = await gate.decide(args, { lookUp: true });
    if (decision.effect === "deny") return decision.denial.remediation?.type === "step_up";
    // Older versions forget a rejection once nothing needs approval any more.
    if (context.isToolApproved({ toolName: tool.name, callId }) === false) return true;
    return asksAnyway(context, args, callId);
  };

  const needsApproval: FunctionTool["needsApproval"] = async (context, args, callId) => {
    const isNeeded = await asks(context, args, callId);
    if (isNeeded) awaited.set(context, new Set(awaited.get(context)).add(callId));
    return isNeeded;
  };

  const isAwaited = (context: RunContext, { callId }: ToolCallItem): boolean =>
    awaited.get(context)?.has(callId) === true &&
    context.isToolApproved({ toolName: tool.name, callId }) === undefined;

  return {
    ...tool,
    inputGuardrails: [...(tool.inputGuardrails ?? []), guardrail],
    invoke,
    ...(interrupts && { needsApproval }),
  };
}

interface GuardrailInput {
  readonly context: RunContext;
  readonly toolCall: ToolCallItem;
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
