import * as z from "zod";
import { ConfigurationError } from "../../core/errors";
import { parseOptions } from "../../core/options";
import type { Session } from "../../core/session";
import { AgentTools } from "../shared/agent-tools/agent-tools";
import { agentToolsShape, type AgentToolsOptions } from "../shared/agent-tools/options";
import { assertSession } from "../shared/assert-session";
import { needsStepUp } from "./approval-status";
import { askOf, guardedTool } from "./guarded-tool";
import {
  assertRunnable,
  isHosted,
  type AiTool,
  type AiTools,
  type LocalToolCaller,
  type ToolCallOptions,
} from "./tool-shape";

/** Options of {@link guardTools}. */
export interface GuardToolsOptions extends AgentToolsOptions {
  /**
   * What becomes of a call whose denial says that a step-up would help. `"deny"`, the default: the model reads so. `"ask"`: the run ends with the AI SDK's
   * own request for approval (`needsApproval`). What is approved is decided again when it is run, and an approval alone allows nothing.
   */
  readonly stepUp?: "deny" | "ask";
}

const optionsSchema = z.strictObject({ ...agentToolsShape, stepUp: z.enum(["deny", "ask"]).default("deny") });

/**
 * The same tools of the AI SDK, each of whose calls is decided and then run on the very input that was decided. A denied call is an error of the tool:
 * the model reads reason, remediation and whether to retry as its result, and the tool is not run. Tools that run at the provider are left as they are: the
 * guards of models decide them.
 *
 * @throws {ConfigurationError} naming the wrong option, or the tool that could not be kept from running: one without `execute`, or `toolSearch()`.
 */
export function guardTools<T extends AiTools>(tools: T, session: Session, options: GuardToolsOptions): T {
  const { stepUp } = parseOptions(optionsSchema, "guardTools", options);
  if (typeof tools !== "object" || (tools as unknown) === null || Array.isArray(tools))
    throw new ConfigurationError("guardTools: expected an object of tools by name");
  assertSession("guardTools", session);
  const calls = new AgentTools("guardTools", session, options);
  const guard = (name: string, tool: AiTool): AiTool => {
    if (isHosted(tool)) return tool;
    assertRunnable(name, tool);
    const own = guardedTool(name, tool, calls);
    const guarded = stepUp === "ask" ? asking(own) : own;
    return boundBy(guarded, (bound) => guard(name, bound));
  };
  const guarded = Object.entries(tools).map(([name, tool]) => [name, guard(name, tool)] as const);
  return Object.freeze(Object.fromEntries(guarded)) as T;
}

/** A tool that calls others is made anew for each run, of those that it may call: what is made takes its place, and is guarded as it is. */
function boundBy(tool: AiTool, guard: (bound: AiTool) => AiTool): AiTool {
  const caller = tool.experimental_toolCaller as LocalToolCaller | undefined;
  if (!caller || caller.type === "provider") return tool;
  const bind = (tools: unknown): AiTool => guard(caller.bind(tools));
  return withMembers(tool, { experimental_toolCaller: { value: { ...caller, bind } } });
}

function withMembers(tool: AiTool, members: PropertyDescriptorMap): AiTool {
  const prototype = Object.getPrototypeOf(tool) as object;
  return Object.create(prototype, { ...Object.getOwnPropertyDescriptors(tool), ...members }) as AiTool;
}

/** Asks first whether a step-up is what the call lacks. A tool that wants approval for reasons of its own still gets it. */
function asking(tool: AiTool): AiTool {
  const { needsApproval: own } = tool;
  const needsApproval = async (input: unknown, options: ToolCallOptions): Promise<boolean> => {
    const wanted: unknown =
      typeof own === "function"
        ? await (own as (input: unknown, options: unknown) => unknown)(input, options)
        : own;
    // Once somebody has been asked it stays so: `ai` 6 takes an approval of what needs none for a forgery.
    if (Boolean(wanted) || wasAsked(options)) return true;
    return needsStepUp(await askOf(tool)?.(input, { lookUp: true }));
  };
  return withMembers(tool, { needsApproval: { value: needsApproval, enumerable: true } });
}

/** Whether the conversation holds a request for approval of this call. */
function wasAsked({ messages = [], toolCallId }: ToolCallOptions): boolean {
  return messages
    .flatMap(({ content }) => (Array.isArray(content) ? (content as readonly MessagePart[]) : []))
    .some((part) => part.type === "tool-approval-request" && part.toolCallId === toolCallId);
}

interface MessagePart {
  readonly type: string;
  readonly toolCallId?: string;
}
