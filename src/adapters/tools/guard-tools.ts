import type { Denial } from "../../core/denial";
import { AuthorizationDeniedError } from "../../core/errors";
import type { Session } from "../../core/session";
import { AgentTools } from "../shared/agent-tools/agent-tools";
import { assertSession } from "../shared/assert-session";
import { wrapTool, type GuardedTools, type LocalTools, type ToolFunction } from "./local-tool";
import { readOptions, type GuardToolsOptions } from "./options";

type DenialIn<Mode> = Mode extends "return" ? Denial : never;

/**
 * Wraps the functions of local tools: each call is checked, and then run on the very arguments that were checked, frozen. What comes back has the
 * shape of what was given.
 *
 * @throws {ConfigurationError} naming the wrong option, or the tool whose name or schema no policy could rely on.
 */
export function guardTools<T extends LocalTools, Mode extends "throw" | "return" = "throw">(
  tools: T,
  session: Session,
  options: GuardToolsOptions & { readonly denials?: Mode },
): GuardedTools<T, DenialIn<Mode>> {
  const { returnDenials, ...settings } = readOptions(tools, options);
  assertSession("guardTools", session);
  const calls = new AgentTools("guardTools", session, settings);

  const guard = (name: string, run: ToolFunction): ToolFunction =>
    async function (this: unknown, args: unknown, ...rest: never[]) {
      const call = { name, arguments: args, signal: signalOf(rest[0]) };
      const result = await calls.attempt(call, (checked, withdrawn) =>
        run.call(this, checked as never, ...withSignal(rest, withdrawn)),
      );
      if (!(result instanceof AuthorizationDeniedError)) return result;
      if (returnDenials) return result.denial;
      throw result;
    };

  const guarded = Object.entries(tools).map(
    ([name, tool]) => [name, wrapTool(name, tool, (run) => guard(name, run))] as const,
  );
  return Object.freeze(Object.fromEntries(guarded)) as GuardedTools<T, DenialIn<Mode>>;
}

/** What a framework handed beside the arguments, with a signal that ends with ours too, where there was one. */
function withSignal(rest: readonly never[], ours: AbortSignal): readonly never[] {
  const [options, ...others] = rest as readonly unknown[];
  const given = signalOf(options);
  if (!given || Object.getPrototypeOf(options) !== Object.prototype) return rest;
  const either = AbortSignal.any([given, ours]);
  const members = Object.entries(options as object).map(([name, value]) => [
    name,
    value === given ? either : (value as unknown),
  ]);
  return [Object.fromEntries(members), ...others] as never[];
}

/** Frameworks hand a tool its signal in the second argument: the AI SDK as `abortSignal`, others as `signal`. */
function signalOf(options: unknown): AbortSignal | undefined {
  const { abortSignal, signal } = (options ?? {}) as Readonly<Record<string, unknown>>;
  return [abortSignal, signal].find((candidate) => candidate instanceof AbortSignal);
}
