import * as z from "zod";
import { ConfigurationError } from "../../core/errors";
import { parseOptions } from "../../core/options";
import type { Session } from "../../core/session";
import { AgentTools } from "../shared/agent-tools/agent-tools";
import { agentToolsShape, type AgentToolsOptions } from "../shared/agent-tools/options";
import { ModelCalls } from "./model-calls";
import { modelCheckShape, type ModelCheckOptions } from "./options";

/** Options of {@link HopguardCallbackHandler}. */
export interface HopguardCallbackHandlerOptions extends AgentToolsOptions, ModelCheckOptions {
  /**
   * Whether calls of tools are decided here. Default `"check"`; `"pass"` where the tools are guarded themselves. LangChain tells a handler no tool's
   * schema: give one in `tools`, or leave the arguments to LangChain with `untyped: "allow"`. Policies read them as they were before the schema.
   */
  readonly toolCalls?: "check" | "pass";
}

const optionsSchema = z.strictObject({
  ...agentToolsShape,
  ...modelCheckShape,
  toolCalls: z.enum(["check", "pass"]).default("check"),
});

/** What decides models, and what decides tools: at least one of them. @throws {ConfigurationError} naming the wrong option. */
export function readHandlerOptions(
  caller: string,
  session: Session,
  options: HopguardCallbackHandlerOptions,
): { readonly models: ModelCalls | undefined; readonly tools: AgentTools | undefined } {
  const { models, toolCalls } = parseOptions(optionsSchema, caller, options);
  if (models === "pass" && toolCalls === "pass") {
    throw new ConfigurationError(
      `${caller}: with \`models\` and \`toolCalls\` both "pass" it decides nothing`,
    );
  }
  return {
    models: models === "check" ? new ModelCalls(caller, session, options) : undefined,
    tools: toolCalls === "check" ? new AgentTools(caller, session, options) : undefined,
  };
}
