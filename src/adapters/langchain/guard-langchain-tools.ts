import { ConfigurationError } from "../../core/errors";
import type { Session } from "../../core/session";
import { toolGuard } from "./tool-guard";
import { guardTool, isLangChainTool, type LangChainTool } from "./guarded-tool";
import type { ToolCheckOptions } from "./options";

/** The same tools, in a list of their own. */
export type GuardedLangChainTools<T extends readonly LangChainTool[]> = {
  -readonly [Place in keyof T]: T[Place];
};

/**
 * Guards tools for whatever runs them: LangGraph's `ToolNode`, a chain, a loop of your own. The model reads a denial as a `ToolMessage` with the status
 * `"error"`, which has the denial as its `artifact`; who calls a tool by hand gets an `AuthorizationDeniedError`.
 *
 * @throws {ConfigurationError} naming the wrong option, and for what is no tool that runs here.
 */
export function guardLangChainTools<const T extends readonly LangChainTool[]>(
  tools: T,
  session: Session,
  options: ToolCheckOptions,
): GuardedLangChainTools<T> {
  const guard = toolGuard("guardLangChainTools", session, options);
  const given: unknown = tools;
  if (!Array.isArray(given)) throw new ConfigurationError("guardLangChainTools: expected a list of tools");
  const guarded: unknown = given.map((tool: unknown) => {
    if (isLangChainTool(tool)) return guardTool(tool, guard);
    throw new ConfigurationError(
      "guardLangChainTools: expected LangChain's tools only; what runs at the provider is decided where the model is called",
    );
  });
  return guarded as GuardedLangChainTools<T>;
}
