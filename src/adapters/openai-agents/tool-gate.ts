import type { DenyDecision, SettledOutcome } from "../../core/decision";
import type { Denial } from "../../core/denial";
import type { AgentTools } from "../shared/agent-tools/agent-tools";
import type { ToolOrigin } from "../shared/model-api/options";
import type { JointAllow } from "../shared/joint-decision";
import type { Authority } from "./authority";
import type { FunctionTool, SdkAgent } from "./framework";

/** A call that may be made, with the arguments as they were decided on. */
export interface AllowedCall extends Pick<JointAllow, "effect" | "watch"> {
  readonly input: string;
  settle(outcome: SettledOutcome): void;
}

/** Decides the calls of one tool. */
export interface ToolGate {
  /** Whether the model may learn of the tool is found out by these, under the tool's name. Without: it is always shown. */
  readonly tools?: AgentTools;
  /** `args` are JSON text, or what was read of it. */
  decide(
    args: unknown,
    options?: { readonly signal?: AbortSignal | undefined; readonly lookUp?: boolean },
  ): Promise<AllowedCall | DenyDecision>;
}

/** For a tool that runs here or on an MCP server. */
export function toolGate(
  tools: AgentTools,
  { name, parameters: schema }: FunctionTool,
  origin?: ToolOrigin,
): ToolGate {
  return {
    tools,
    async decide(args, options) {
      // Some models write nothing at all where a tool takes nothing.
      const given = args === "" ? {} : args;
      const decision = await tools.decide({
        name,
        arguments: given,
        schema,
        ...(origin && { origin }),
        ...options,
      });
      if (decision.effect === "deny") return decision;
      return {
        effect: "allow",
        input: JSON.stringify(decision.hop.attr.arguments ?? {}),
        settle: (outcome) => {
          decision.settle(outcome);
        },
        watch: (end) => decision.watch(end),
      };
    },
  };
}

/** For an agent that is called as a tool: work is handed to it. What it then does is decided by itself. */
export function agentGate(authority: Authority, agent: SdkAgent): ToolGate {
  return {
    async decide(args, { lookUp = false } = {}) {
      const denial = lookUp ? undefined : await authority.handOver(agent);
      if (denial) return denied(denial);
      const input = typeof args === "string" ? args : JSON.stringify(args);
      return { effect: "allow", input, settle: () => undefined, watch: () => () => undefined };
    },
  };
}

/** For any tool of an agent that acts once work was handed to it. */
export function receivingGate(gate: ToolGate, receive: () => Promise<Denial | undefined>): ToolGate {
  return {
    ...gate,
    async decide(args, options) {
      const denial = options?.lookUp ? undefined : await receive();
      return denial ? denied(denial) : gate.decide(args, options);
    },
  };
}

const denied = (denial: Denial): DenyDecision => ({
  effect: "deny",
  decisionId: denial.decision_id,
  denial,
});
