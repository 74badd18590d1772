/** What of the Claude Agent SDK's types is needed here; written down, so that hopguard's own types do not load it. */

/** The part of the SDK's `Options` that the guard reads or changes. */
export interface QueryOptions {
  readonly abortController?: AbortController | undefined;
  readonly agents?: Readonly<
    Record<
      string,
      {
        readonly mcpServers?: readonly unknown[] | undefined;
        readonly hooks?: unknown;
        readonly initialPrompt?: unknown;
      }
    >
  >;
  /** Asks somebody. */
  readonly canUseTool?: ((...args: never[]) => unknown) | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly hooks?: Readonly<Partial<Record<string, readonly AnyMatcher[]>>> | undefined;
  readonly mcpServers?: Readonly<Record<string, unknown>> | undefined;
  readonly settingSources?: readonly string[] | undefined;
  readonly verbatimPrompts?: boolean | undefined;
}

interface AnyMatcher {
  readonly hooks: readonly ((...args: never[]) => unknown)[];
}

/** Hooks that fire for one event, and how long they may take, in seconds. */
export interface HookMatcher<Input = ToolHookInput> {
  readonly matcher?: string;
  readonly hooks: readonly Hook<Input>[];
  readonly timeout?: number;
  readonly onFailure?: "continue" | "block";
}

export type Hook<Input = ToolHookInput> = (
  input: Input,
  toolUseId: string | undefined,
  options: { readonly signal: AbortSignal },
) => Promise<HookOutput>;

/** What the hooks around a tool are handed. */
export interface ToolHookInput {
  readonly tool_name: string;
  readonly tool_input: unknown;
  readonly tool_use_id: string;
  /** Once it has run. */
  readonly tool_response?: unknown;
}

/** What a hook at the end of a turn is handed. */
export interface StopHookInput {
  readonly background_tasks?: readonly { readonly id: string }[];
}

export interface HookOutput {
  readonly hookSpecificOutput?: {
    readonly hookEventName: "PreToolUse";
    readonly permissionDecision?: "deny" | "ask";
    readonly permissionDecisionReason?: string;
    readonly updatedInput?: unknown;
  };
}

/** The SDK's callback for a person's word on a call. */
export type CanUseTool = (
  toolName: string,
  input: Readonly<Record<string, unknown>>,
  options: PermissionQuestion,
) => Promise<PermissionResult | null>;

export interface PermissionQuestion {
  readonly toolUseID: string;
  readonly signal: AbortSignal;
}

export type PermissionResult =
  | { readonly behavior: "allow"; readonly updatedInput?: unknown }
  | { readonly behavior: "deny"; readonly message: string };
