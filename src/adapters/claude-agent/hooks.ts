import { afterToolUse, afterTurn, preToolUse, withoutChanges } from "./pre-tool-use";
import type { Hook, HookMatcher, QueryOptions } from "./sdk-types";
import type { ToolDecisions } from "./tool-decisions";

/** The user's hooks with the guard's beside them. */
export function guardedHooks(
  given: QueryOptions["hooks"],
  decisions: ToolDecisions,
  { asksPerson, deadlineMs }: { readonly asksPerson: boolean; readonly deadlineMs: number },
): Readonly<Record<string, readonly HookMatcher<never>[]>> {
  const hooks = (given ?? {}) as Readonly<Partial<Record<string, readonly HookMatcher[]>>>;
  const beside = (
    event: string,
    ...ours: readonly HookMatcher<never>[]
  ): Readonly<Record<string, readonly HookMatcher<never>[]>> => ({
    [event]: [...ours, ...(hooks[event] ?? [])],
  });
  const users = (hooks.PreToolUse ?? []).map((matcher) => ({
    ...matcher,
    hooks: matcher.hooks.map(withoutChanges),
  }));
  const every = <Input>(hook: Hook<Input>): HookMatcher<Input> => ({ hooks: [hook] });
  return {
    ...(hooks as Readonly<Record<string, readonly HookMatcher[]>>),
    PreToolUse: [
      {
        ...every(preToolUse(decisions, asksPerson)),
        // Long after our own deadline, which has a denial to tell.
        timeout: Math.ceil(deadlineMs / 1000) + 60,
        // Else a tool runs whose hook cannot be reached: because this process is gone, or no longer listens.
        onFailure: "block",
      },
      ...users,
    ],
    ...beside("PostToolUse", every(afterToolUse(decisions, "done"))),
    ...beside("PostToolUseFailure", every(afterToolUse(decisions, "failed"))),
    ...beside("Stop", every(afterTurn(decisions))),
  };
}
