import { ConfigurationError } from "../../core/errors";
import { isToolName } from "../../core/names";

/** What `ai` hands a tool beside its input. */
export interface ToolCallOptions {
  readonly toolCallId?: string;
  readonly messages?: readonly { readonly content: unknown }[];
  readonly abortSignal?: AbortSignal | undefined;
}

/** A tool of `ai` 6 or 7, as far as the guard uses it. */
export interface AiTool {
  readonly type?: unknown;
  readonly inputSchema?: unknown;
  /** Runs the tool. */
  readonly execute?: ((input: never, options: never) => unknown) | undefined;
  readonly needsApproval?: unknown;
  /** Of `ai` 7, for a tool that calls others: the SDK runs what `bind` makes of it. */
  readonly experimental_toolCaller?: unknown;
}

/** Of a tool whose calls of others are made here, and not at a provider. */
export interface LocalToolCaller {
  readonly type: string;
  bind(tools: unknown): AiTool;
}

/** How `ai` 7 marks its own `toolSearch()`. */
const TOOL_SEARCH = Symbol.for("vercel.ai.toolSearch");

/** Tools by the name that the model sees. */
export type AiTools = Readonly<Record<string, AiTool>>;

export type Execute = (input: unknown, options?: ToolCallOptions) => unknown;

/** A tool that runs here. */
export interface RunnableTool extends AiTool {
  readonly execute: Execute & AiTool["execute"];
}

/** Whether a tool runs at the provider, where only its declaration can be decided. */
export function isHosted(tool: AiTool | null | undefined): boolean {
  const { type, execute } = tool ?? {};
  return (type === "provider" || type === "provider-defined") && execute === undefined;
}

/** @throws {ConfigurationError} for a name that no policy could rely on, and what is no tool that runs here. */
export function assertRunnable(name: string, tool: AiTool): asserts tool is RunnableTool {
  if (!isToolName(name)) {
    throw new ConfigurationError(
      `guardTools: ${JSON.stringify(name)} is not a name for a tool: use A-Z, a-z, 0-9 and _./-`,
    );
  }
  const given = tool as AiTool | null | undefined;
  if (typeof given?.execute !== "function") {
    throw new ConfigurationError(
      `guardTools: the tool "${name}" has no execute, so that nothing here could keep it from running`,
    );
  }
  if (TOOL_SEARCH in given) {
    throw new ConfigurationError(
      `guardTools: the tool "${name}" is toolSearch(), in whose place the SDK runs a function of its own, which also tells of tools that may never be used`,
    );
  }
  if (given.inputSchema === undefined) {
    throw new ConfigurationError(
      `guardTools: the tool "${name}" has no inputSchema, as the tools of ai 6 and 7 do`,
    );
  }
}
