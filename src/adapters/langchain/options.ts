import * as z from "zod";
import { parseOptions } from "../../core/options";
import { agentToolsShape, type AgentToolsOptions } from "../shared/agent-tools/options";
import type { ModelGuardOptions } from "../shared/model-api/options";

/** How the calls of models are decided where LangChain makes them. */
export interface ModelCheckOptions extends Pick<ModelGuardOptions, "provider" | "hostedServers"> {
  /**
   * Whether calls of models are decided here. Default `"check"`; `"pass"` where each model has a guarded `fetch`, which sees what is sent, and would
   * decide and count them a second time.
   */
  readonly models?: "check" | "pass";
}

/** What the guards of LangChain's tools have in common. */
export interface ToolCheckOptions extends AgentToolsOptions, ModelCheckOptions {
  /**
   * What becomes of a denied call that somebody may approve (its remediation is `step_up`). Default `"tell"`: the model reads the denial. `"interrupt"`
   * pauses the graph with LangGraph's `interrupt`, which needs a checkpointer. Whatever it is resumed with, the policy is asked again, and what it
   * says then is done.
   */
  readonly stepUp?: "tell" | "interrupt";
  /**
   * Whether the models and tools that a tool uses while it runs, such as those of an agent in it, are decided for this session too. Default `"check"`;
   * `"pass"` where they are guarded for a session of their own.
   */
  readonly nested?: "check" | "pass";
}

/** For a factory's own schema: spread it. */
export const modelCheckShape = {
  models: z.enum(["check", "pass"]).default("check"),
  provider: z.string().min(1).optional(),
  hostedServers: z.record(z.string(), z.string()).optional(),
};

const toolCheckSchema = z.strictObject({
  ...agentToolsShape,
  ...modelCheckShape,
  stepUp: z.enum(["tell", "interrupt"]).default("tell"),
  nested: z.enum(["check", "pass"]).default("check"),
});

/** The options with every default in place. */
export interface ToolCheckSettings extends ToolCheckOptions {
  readonly models: "check" | "pass";
  readonly stepUp: "tell" | "interrupt";
  readonly nested: "check" | "pass";
}

/** @throws {ConfigurationError} naming the wrong option. */
export function readToolCheckOptions(caller: string, options: ToolCheckOptions): ToolCheckSettings {
  const { models, stepUp, nested } = parseOptions(toolCheckSchema, caller, options);
  return Object.freeze({ ...options, models, stepUp, nested });
}
