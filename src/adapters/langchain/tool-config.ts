/** What LangChain hands on with a call, as far as it matters here. The rest of it is left as it is. */
export interface ToolConfig {
  readonly callbacks?: unknown;
  readonly runId?: string | undefined;
  readonly runName?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The model's call, where there is one. */
  readonly toolCall?: unknown;
  /** LangGraph's, in a graph. */
  readonly interrupt?: unknown;
}

/** The arguments of a call, bare or in the model's own call, and how it is to be run. */
export function readCall(
  given: unknown,
  config: unknown,
): { readonly arguments: unknown; readonly id: string | undefined; readonly config: ToolConfig } {
  const read = readConfig(config);
  const toolCall = isToolCall(given) ? given : isToolCall(read.toolCall) ? read.toolCall : undefined;
  return {
    // A tool that takes a text may be called with one.
    arguments: isToolCall(given) ? given.args : typeof given === "string" ? { input: given } : given,
    // A model's call all the same where its provider gives calls no ids.
    id: toolCall && (toolCall.id ?? ""),
    config: { ...read, ...(toolCall && { toolCall }) },
  };
}

/** Callbacks alone are a configuration, too. */
function readConfig(config: unknown): ToolConfig {
  if (typeof config !== "object" || config === null) return {};
  return Array.isArray(config) || "name" in config ? { callbacks: config } : config;
}

interface ModelsCall {
  readonly args: unknown;
  readonly id: string | undefined;
}

function isToolCall(value: unknown): value is ModelsCall {
  return (
    typeof value === "object" &&
    value !== null &&
    "type" in value &&
    value.type === "tool_call" &&
    "args" in value
  );
}

/** The callbacks with one more, which what runs below inherits: a list of them, or LangChain's manager. */
export function callbacksWith(callbacks: unknown, handler: object | undefined): unknown {
  if (!handler) return callbacks;
  if (callbacks === undefined || callbacks === null) return [handler];
  if (Array.isArray(callbacks)) return [...(callbacks as unknown[]), handler];
  return (callbacks as { copy(handlers: readonly object[], inherit: boolean): unknown }).copy(
    [handler],
    true,
  );
}
