import { AuthorizationDeniedError } from "../../core/errors";
import type { AgentTools } from "../shared/agent-tools/agent-tools";
import { runStreamed } from "../shared/run-watched";
import { toolError } from "./tool-error";
import { settledSchema } from "./tool-schema";
import type { Execute, RunnableTool, ToolCallOptions } from "./tool-shape";

/** Decides a call, or only asks what the decision would be; for approvals, which come before the call. */
export type Ask = (input: unknown, how: { readonly lookUp: boolean }) => ReturnType<AgentTools["decide"]>;

/** By the function that runs a guarded tool, which copies of the tool share. */
const asks = new WeakMap<object, Ask>();

/** How to ask about the calls of a tool; `undefined` for one that is not guarded. */
export function askOf(tool: unknown): Ask | undefined {
  const { execute } = (tool ?? {}) as Partial<RunnableTool>;
  return typeof execute === "function" ? asks.get(execute) : undefined;
}

/** The tool with its function guarded, and everything else as it was. */
export function guardedTool(name: string, tool: RunnableTool, calls: AgentTools): RunnableTool {
  const schema = settledSchema(tool.inputSchema);
  const run: Execute = (input, options) => tool.execute.call(tool, input as never, options as never);
  const about = (input: unknown, options?: ToolCallOptions) =>
    ({ name, arguments: input, schema, signal: options?.abortSignal }) as const;

  const whole: Execute = async (input, options) => {
    const result = await calls
      .attempt(about(input, options), (args, withdrawn) => last(run(args, withSignal(options, withdrawn))))
      .catch(forModel);
    if (result instanceof AuthorizationDeniedError) throw toolError(result.denial);
    return result;
  };
  const streamed: Execute = async function* (input, options) {
    const decision = await calls.decide(about(input, options));
    if (decision.effect === "deny") throw toolError(decision.denial);
    const { arguments: args } = decision.hop.attr;
    const start = (withdrawn: AbortSignal) =>
      run(args, withSignal(options, withdrawn)) as AsyncIterable<unknown>;
    try {
      yield* runStreamed(decision, start);
    } catch (error) {
      forModel(error);
    }
  };
  const execute = isGenerator(tool.execute) ? streamed : whole;
  asks.set(execute, (input, how) => calls.decide({ ...about(input), ...how }));
  const members = {
    ...Object.getOwnPropertyDescriptors(tool),
    execute: { value: execute, enumerable: true },
  };
  return Object.create(Object.getPrototypeOf(tool) as object, members) as RunnableTool;
}

/** What is denied within a tool, to an agent that it runs, is told like a denial of its own. */
function forModel(error: unknown): never {
  throw AuthorizationDeniedError.isInstance(error) ? toolError(error.denial) : error;
}

/** The SDK asks whether there is a stream before it waits, so that the answer cannot be a promise of one. */
function isGenerator(execute: unknown): boolean {
  return Object.prototype.toString.call(execute) === "[object AsyncGeneratorFunction]";
}

/** Of a stream that comes from what does not look like one, the last is the result, as the SDK has it. */
async function last(result: unknown): Promise<unknown> {
  const awaited = await result;
  if (typeof awaited !== "object" || awaited === null || !(Symbol.asyncIterator in awaited)) return awaited;
  let output: unknown;
  for await (const step of awaited as AsyncIterable<unknown>) output = step;
  return output;
}

function withSignal(options: ToolCallOptions | undefined, ours: AbortSignal): ToolCallOptions {
  const { abortSignal } = options ?? {};
  return { ...options, abortSignal: abortSignal ? AbortSignal.any([abortSignal, ours]) : ours };
}
