import { ToolMessage } from "@langchain/core/messages";
import type { Denial } from "../../core/denial";
import { denialForModel } from "../shared/agent-tools/denial-text";

/** The result of a denied call: the model reads the text, and the application finds the denial as `artifact`. */
export function deniedMessage(denial: Denial, name: string, toolCallId: string): ToolMessage {
  return new ToolMessage({
    content: denialForModel(denial),
    name,
    tool_call_id: toolCallId,
    status: "error",
    artifact: denial,
  });
}
