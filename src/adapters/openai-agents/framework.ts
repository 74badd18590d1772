import * as sdk from "@openai/agents";
import { ConfigurationError } from "../../core/errors";

/*
 * What the guard uses of the SDK, by its structure, so that one type fits all of its versions. Contexts, spans and settings are handed on
 * and never looked into.
 */

export interface SdkAgent {
  readonly name: string;
  readonly model: unknown;
  readonly modelSettings: unknown;
  readonly tools: readonly SdkTool[];
  readonly handoffs: readonly object[];
  readonly mcpServers: readonly SdkMcpServer[];
  getAllTools(context: never, span?: never): Promise<readonly SdkTool[]>;
  getMcpTools(context: never, span?: never): Promise<readonly SdkTool[]>;
  getSystemPrompt(context: never): Promise<string | undefined>;
  asTool(options: never): SdkTool;
  clone(config: never): SdkAgent;
  emit(event: never, ...details: never[]): boolean;
}

export interface SdkTool {
  readonly type: string;
  readonly name: string;
}

export interface FunctionTool extends SdkTool {
  readonly parameters: unknown;
  readonly strict?: boolean;
  readonly outputSchema?: unknown;
  readonly errorFunction?: unknown;
  readonly inputGuardrails?: readonly object[];
  readonly invoke: (context: unknown, input: string, details?: CallDetails) => Promise<unknown>;
  readonly needsApproval: (context: RunContext, args: unknown, callId?: string) => Promise<boolean>;
}

export interface CallDetails {
  readonly toolCall?: ToolCallItem;
  readonly signal?: AbortSignal;
}

export interface RunContext {
  isToolApproved(call: {
    readonly toolName: string;
    readonly callId: string | undefined;
  }): boolean | undefined;
}

/** A call as the model made it. */
export interface ToolCallItem {
  readonly callId?: string;
  readonly arguments: string;
}

export interface SdkHandoff {
  readonly toolName: string;
  readonly agent: SdkAgent;
  onInvokeHandoff(context: object, input: string): unknown;
}

export interface SdkMcpServer {
  readonly name: string;
  readonly toolFilter?: unknown;
  connect(): Promise<void>;
}

export interface SdkModel {
  getResponse(request: ModelRequest): Promise<ModelResponse>;
  getStreamedResponse(request: ModelRequest): AsyncIterable<StreamEvent>;
  getRetryAdvice?(args: unknown): unknown;
}

/** Looks models up by name. */
export interface SdkModelProvider {
  getModel(name?: string): unknown;
}

export interface ModelRequest {
  readonly systemInstructions?: string;
  readonly input: string | readonly unknown[];
  readonly modelSettings: Readonly<Record<string, unknown>>;
  readonly tools: readonly SerializedTool[];
  readonly handoffs: readonly { readonly toolName: string }[];
  readonly previousResponseId?: string;
  readonly conversationId?: string;
  readonly prompt?: { readonly promptId: string };
  readonly signal?: AbortSignal;
}

export interface SerializedTool extends SdkTool {
  readonly providerData?: Readonly<Record<string, unknown>>;
}

export interface ModelResponse {
  readonly usage?: unknown;
}

export interface StreamEvent {
  readonly type: string;
  readonly response?: { readonly usage?: unknown };
}

/** The parts of the SDK that a guard is made of. */
export interface Framework {
  readonly Agent: { readonly prototype: SdkAgent };
  readonly OpenAIProvider: new (options: object) => SdkModelProvider;
  readonly getHandoff: (handoff: object) => SdkHandoff;
}

/** What is used, and the marks of version 0.5: tool guardrails, and approvals that reach out of an agent that is called as a tool. */
const EXPORTS = [
  ...["Agent", "OpenAIProvider", "getHandoff"],
  ...["defineToolInputGuardrail", "invokeFunctionTool"],
];
const METHODS = [
  ...(["getAllTools", "getMcpTools", "getSystemPrompt", "asTool", "clone", "emit"] as const),
  "getEnabledHandoffs",
] as const;

/** @throws {ConfigurationError} for a version of the SDK in which the guard would not be asked. */
export function framework(caller: string): Framework {
  const given = sdk as unknown as Readonly<Record<string, unknown>> & Framework;
  const prototype = (given.Agent as Framework["Agent"] | undefined)?.prototype as
    Readonly<Record<string, unknown>> | undefined;
  const isKnown =
    EXPORTS.every((name) => name in given && typeof given[name] === "function") &&
    METHODS.every((name) => typeof prototype?.[name] === "function");
  if (isKnown) return given;
  throw new ConfigurationError(
    `${caller}: this version of @openai/agents cannot be guarded: it lacks what the guard is made of, or has it elsewhere; 0.5.0 and 0.20.0 are tested`,
  );
}

/**
 * Subclasses are refused: a sandbox agent, or one of the application's own, may run what it is not asked for.
 *
 * @throws {ConfigurationError}
 */
export function assertAgent(caller: string, { Agent }: Framework, agent: unknown): asserts agent is SdkAgent {
  const { name = "?" } = (agent ?? {}) as { readonly name?: string };
  if (!isAgent(agent)) {
    throw new ConfigurationError(
      `${caller}: "${name}" is not an Agent of the @openai/agents that is installed beside hopguard`,
    );
  }
  if (Object.getPrototypeOf(agent) !== Agent.prototype) {
    throw new ConfigurationError(
      `${caller}: the agent "${name}" is of a class of its own, and may run what the guard does not see`,
    );
  }
}

export const isAgent = (value: unknown): value is SdkAgent => value instanceof sdk.Agent;
