import { Runnable } from "@langchain/core/runnables";
import type { HopguardCallbackHandler } from "./callback-handler";
import type { Runs } from "./runs";
import type { ToolCalls } from "./tool-calls";
import { callbacksWith, readCall, type ToolConfig } from "./tool-config";
import { callOf } from "./tool-run";

/** What LangChain's tools have in common: those of `tool()`, of a class, of `mcp-adapters`, of `runnable.asTool()`. */
export interface LangChainTool {
  readonly name: string;
  readonly schema: unknown;
  /** Runs the tool. */
  invoke(input: never, config?: never): Promise<unknown>;
}

/** What a guarded tool needs of its guard. */
export interface ToolGuard {
  readonly calls: ToolCalls;
  readonly runs: Runs;
  /** Decides what a tool uses while it runs. */
  readonly nested: HopguardCallbackHandler | undefined;
}

type Method = (input: unknown, config?: unknown, ...rest: unknown[]) => unknown;

/** Tools that are guarded already, and for which session's runs. */
const guardedFor = new WeakMap<object, Runs>();

export function isLangChainTool(value: unknown): value is LangChainTool {
  if (typeof value !== "object" || value === null) return false;
  const { name, schema, invoke } = value as Partial<LangChainTool>;
  return typeof name === "string" && typeof invoke === "function" && schema !== undefined;
}

/** The same tool, each call of which is decided, and then run on the very arguments that were checked, frozen. */
export function guardTool<T extends LangChainTool>(tool: T, { calls, runs, nested }: ToolGuard): T {
  if (guardedFor.get(tool) === runs) return tool;
  const { call, _call } = tool as Partial<Record<"call" | "_call", Method>>;
  const isStructured = typeof call === "function" && typeof _call === "function";

  const guarded: Method = async (given, configuration, ...rest) => {
    const { id, config, ...read } = readCall(given, configuration);
    const { signal, interrupt, callbacks, runName = tool.name } = config;
    const runId = config.runId ?? crypto.randomUUID();
    return calls.run(
      { name: tool.name, schema: tool.schema, id, signal, interrupt, ...read },
      (input, withdrawn) => {
        const below: ToolConfig = {
          ...config,
          ...{ runId, runName, callbacks: callbacksWith(callbacks, nested) },
          signal: signal ? AbortSignal.any([signal, withdrawn]) : withdrawn,
        };
        // What `runnable.asTool()` makes parses the calls of models alone, and takes bare arguments as they are.
        if (!isStructured) return tool.invoke(input as never, below as never);
        // On the tool that was given: a class's private members are not in a derived object.
        const run: Method = (_parsed, ...others) => _call.call(tool, input, ...others);
        // With a schema that takes everything: a second time through the tool's own might make something else of the arguments.
        const checked = derived(tool, { schema: {}, _call: run });
        const announced = callOf(runName, JSON.stringify(typeof input === "string" ? { input } : input));
        return runs.decidedElsewhere(runId, announced, () => call.call(checked, input, below, ...rest));
      },
    );
  };
  // Of a structured tool, everything else comes to `call`.
  const guardedTool = derived(tool, isStructured ? { call: guarded } : { ...BY_INVOKE, invoke: guarded });
  guardedFor.set(guardedTool, runs);
  return guardedTool;
}

/** What a runnable that was made a tool hands past its `invoke` (`stream`, `batch`, `withRetry`, …), as every other runnable has it: by `invoke`. */
const BY_INVOKE = Object.fromEntries(
  Object.getOwnPropertyNames(Runnable.prototype)
    .filter((name) => name !== "constructor" && name !== "getName")
    .map((name) => [name, Reflect.get(Runnable.prototype, name) as unknown]),
);

function derived<T extends object>(tool: T, members: Readonly<Record<string, unknown>>): T {
  const own = Object.entries(members).map(([name, value]) => [name, { value }] as const);
  return Object.create(tool, Object.fromEntries(own)) as T;
}
