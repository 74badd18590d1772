import { denialForModel } from "../shared/agent-tools/denial-text";
import type { CanUseTool, PermissionResult } from "./sdk-types";
import type { ToolDecisions } from "./tool-decisions";

/**
 * The user's `canUseTool`, after which the policy is asked again: about the arguments that came back, and at the time when a person has answered. A
 * person's yes alone allows nothing. Where a step-up is what the policy wants, the third argument holds its `denial`.
 */
export function guardedCanUseTool(canUseTool: CanUseTool, decisions: ToolDecisions): CanUseTool {
  return async (name, input, options) => {
    const { toolUseID: id, signal } = options;
    const denial = decisions.asked(id);
    const answer = await canUseTool(name, input, { ...options, ...(denial && { denial }) });
    try {
      if (answer?.behavior !== "allow") {
        decisions.settle(id, "failed");
        return answer?.behavior === "deny" ? answer : refused("Nobody has allowed this call.");
      }
      const decision = await decisions.decide({ id, name, input: answer.updatedInput ?? input, signal });
      return decision.effect === "allow"
        ? { ...answer, updatedInput: decision.hop.attr.arguments }
        : refused(denialForModel(decision.denial));
    } catch {
      return refused("This call could not be decided, and was not made.");
    }
  };
}

function refused(message: string): PermissionResult {
  return { behavior: "deny", message };
}
