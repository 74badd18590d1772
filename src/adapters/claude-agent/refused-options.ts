import { ConfigurationError } from "../../core/errors";
import type { QueryOptions } from "./sdk-types";

const SETTINGS =
  "settings may hold hooks that change arguments after the check, and an `env` that sends model calls past the guard";

/** Options of the SDK that could lead past the guard, and why. Settings were seen to do so; the others set them, or do the like by their documentation. */
export const REFUSED_OPTIONS = {
  settingSources: SETTINGS,
  settings: SETTINGS,
  managedSettings: SETTINGS,
  plugins: "plugins may bring hooks that change arguments after the check",
  extraArgs: "a flag may set any of the options that are refused",
  executableArgs: "they are flags of `claude`, which may set any of the options that are refused",
  toolAliases: "another tool would run than the one that the model called",
  permissionPromptToolName:
    "the tool's answer may change arguments after the check; `canUseTool` is asked instead",
  verbatimPrompts:
    "`@` in a prompt would read files and resources, and `/` get prompts of MCP servers, before any hook",
} as const;

/** An option of the SDK that is refused unless it is admitted by name. */
export type RefusedOption = keyof typeof REFUSED_OPTIONS;

/**
 * Looks for what the guard could not stand before.
 *
 * @throws {ConfigurationError} naming the option, and the reason.
 */
export function assertGuardable(options: QueryOptions, admitted: readonly RefusedOption[]): void {
  const given = options as Readonly<Record<string, unknown>>;
  for (const [name, reason] of Object.entries(REFUSED_OPTIONS)) {
    if (isHarmless(given[name]) || admitted.includes(name as RefusedOption)) continue;
    throw new ConfigurationError(
      `guardQueryOptions: options.${name} is refused: ${reason}; \`admit: ["${name}"]\` lets it pass`,
    );
  }
  if (options.hooks?.PermissionRequest) {
    throw new ConfigurationError(
      "guardQueryOptions: options.hooks.PermissionRequest is refused: it answers before `canUseTool`, where the policy is asked again",
    );
  }
  for (const [name, { mcpServers = [], hooks, initialPrompt }] of Object.entries(options.agents ?? {})) {
    const refuse = (option: string, reason: string): never => {
      throw new ConfigurationError(`guardQueryOptions: options.agents.${name}.${option}${reason}`);
    };
    if (!mcpServers.every((server) => typeof server === "string")) {
      refuse("mcpServers", ": name servers of options.mcpServers, whose opening is decided");
    }
    // Not in the SDK's types, but `claude` takes them.
    if (hooks !== undefined) {
      refuse("hooks", " is refused: they change arguments after the check; put them into options.hooks");
    }
    // Whatever `verbatimPrompts` says.
    if (initialPrompt !== undefined && !admitted.includes("verbatimPrompts")) {
      refuse("initialPrompt", ` is refused: ${REFUSED_OPTIONS.verbatimPrompts}; say it in the prompt`);
    }
  }
}

/** Empty, or what the guard itself says of `verbatimPrompts`: no other of them takes `true`. */
function isHarmless(value: unknown): boolean {
  if (value === undefined || value === null || value === true) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
