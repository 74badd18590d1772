import { isAgent, type SdkAgent, type SdkTool } from "./framework";

/** An agent that is called as a tool, and how it was made one. */
export interface AgentAsTool {
  readonly agent: SdkAgent;
  readonly options: object;
}

/** An agent of the SDK. */
export interface AgentWithTool {
  /** Makes a tool that runs the agent. */
  asTool(options: never): object;
}

/** What the SDK's own `agent.asTool` takes. */
export interface AgentToolOptions {
  /** Default: made of the agent's name. */
  readonly toolName?: string;
  /** For the model. */
  readonly toolDescription?: string;
  readonly [option: string]: unknown;
}

const known = new WeakMap<object, AgentAsTool>();

/**
 * The same as `agent.asTool(options)`, for an agent that `guardAgent` is given: what the SDK makes of `asTool` holds on to the agent as it was, and
 * would run it unguarded. Calling it is handing work over, as a handoff is.
 */
export function agentTool<A extends AgentWithTool>(
  agent: A,
  options: AgentToolOptions,
): ReturnType<A["asTool"]> {
  return rememberAgentTool(agent.asTool(options as never), agent, options) as ReturnType<A["asTool"]>;
}

/** Lets {@link agentBehind} know where a tool comes from. */
export function rememberAgentTool<T extends object>(tool: T, agent: object, options: object): T {
  if (isAgent(agent)) known.set(tool, { agent, options });
  return tool;
}

/** The agent that a tool runs, if it was made by {@link agentTool}. */
export const agentBehind = (tool: SdkTool): AgentAsTool | undefined => known.get(tool);

/** Whether the SDK made it of an agent: such a tool, and no other, tells of the events of a run. */
export const runsAgent = (tool: SdkTool): boolean =>
  typeof (tool as { readonly on?: unknown }).on === "function";
