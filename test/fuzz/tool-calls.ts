import { isDeepStrictEqual } from "node:util";
import { findDenial } from "hopguard";
import { guardTools } from "hopguard/tools";
import { outcomeOf, type Coverage } from "./coverage";
import { callsWithin, META_TOOL, readCalls, type CallWithin } from "./inner-calls";
import { demand, type Arrival, type Need } from "./oracle";
import { Violation } from "./violation";
import type { PdpServer } from "./pdp-endpoints";
import { inOrder, isFrozen } from "./play";
import { anything, type Typed } from "./schemas";
import { kindOf, TOOLS, type Given, type ToolName, type ToolPlan } from "./tool-plans";
import { disguise } from "./values";
import { World } from "./world";

interface Run extends Arrival {
  readonly tool: string;
  readonly call: number;
  readonly args: unknown;
  readonly text: string;
}

export async function playTools(plan: ToolPlan, server: PdpServer, coverage: Coverage): Promise<void> {
  const world = await World.open(plan.circumstances, server, coverage);
  try {
    const runs: Run[] = [];
    const began: number[] = [];
    const toolsOf = [guardedTools(plan, world, 0, runs, began), guardedTools(plan, world, 1, runs, began)];
    const told = await inOrder(plan.circumstances.together, plan.calls, async (call, index) => {
      began[index] = world.ledger.moment();
      const { value, after } = handedOver(call.given);
      const signal = call.isAborted ? AbortSignal.abort() : undefined;
      const answer = toolsOf[call.of]?.(call.tool, value, { call: index, signal });
      after();
      return answer;
    });
    for (const run of runs) judge(plan, world, run);
    plan.calls.forEach((call, index) => {
      const isReached = runs.some((run) => run.call === index);
      const outcome = isReached ? "reached" : outcomeOf(told[index]);
      world.count(call.of, outcome, call.within ?? kindOf(call));
      if (isReached && findDenial(told[index]))
        throw new Violation("A tool ran, and its caller was told that it was denied:", call);
    });
  } finally {
    world.close();
  }
}

type AnyTool = (
  args: unknown,
  options: { call: number; signal: AbortSignal | undefined },
) => Promise<unknown>;

function guardedTools(
  { untyped, denials, shape }: ToolPlan,
  world: World,
  of: 0 | 1,
  runs: Run[],
  began: readonly number[],
): (tool: string, ...args: Parameters<AnyTool>) => Promise<unknown> {
  const actor = world.actor(of);
  const tools = Object.keys(TOOLS).map((tool) => {
    const run = (args: unknown, { call }: { call: number }): unknown => {
      const text = JSON.stringify(args);
      runs.push({ actor, tool, call, args, text, began: began[call] ?? 0, at: world.ledger.moment() });
      return { ran: tool };
    };
    return [tool, shape === "function" ? run : { [shape]: run }];
  });
  const schemas = Object.entries(TOOLS).flatMap(([tool, { schema }]: [string, Typed]) =>
    schema === undefined ? [] : [[tool, schema] as const],
  );
  const guarded = guardTools(Object.fromEntries(tools) as never, actor.session, {
    toolset: "desk",
    schemas: Object.fromEntries(schemas),
    metaTools: { [META_TOOL]: readCalls },
    untyped,
    denials,
    effects: { refund: "destructive" },
  });
  const runnable = guarded as Readonly<Record<string, AnyTool | Readonly<Record<string, AnyTool>>>>;
  return (tool, ...args) => {
    const found = runnable[tool];
    const run = typeof found === "object" ? found[shape] : found;
    return run ? run(...args) : Promise.reject(new Error("no such tool"));
  };
}

function judge({ untyped }: ToolPlan, world: World, { tool, args, text, ...arrival }: Run): void {
  const plain = JSON.parse(text) as unknown;
  // What the tool holds in its hands is what was checked, whatever happened to the original.
  if (!isDeepStrictEqual(JSON.parse(JSON.stringify(args)), plain) || !isFrozen(args))
    throw new Violation(`The arguments of ${tool} can be changed.`);
  const own = { kind: KIND, name: "desk", tool, args: plain, isElsewhere: false };
  for (const call of [own, ...(tool === META_TOOL ? callsWithin(plain, KIND) : [])]) {
    assertTyped(untyped, call);
    demand(world, arrival, needOf(call));
  }
}

const KIND = "tool_desk";

/** Types before policy. Of what is called elsewhere nobody here knows any. */
function assertTyped(untyped: ToolPlan["untyped"], { tool, args, isElsewhere }: CallWithin): void {
  const typed: Typed = isElsewhere || !Object.hasOwn(TOOLS, tool) ? anything : TOOLS[tool as ToolName];
  if (!typed.accepts(args)) throw new Violation(`${tool} ran with arguments of another type:`, args);
  if (typed.schema === undefined && untyped === "deny") throw new Violation(`${tool} ran without a schema`);
}

function needOf({ kind, name, tool, args, isElsewhere }: CallWithin): Need {
  const attr = {
    tool,
    arguments: args,
    effect: tool === "refund" && !isElsewhere ? "destructive" : undefined,
  };
  const owner = { [kind.startsWith("mcp_") ? "server" : "toolset"]: name };
  return { kind, name, action: `tools/call/${tool}`, attr: { ...attr, ...owner } };
}

function handedOver(given: Given): { readonly value: unknown; readonly after: () => void } {
  const nothing = (): void => undefined;
  if (given.as === "object") return disguise(given.value, given.how);
  if (given.as === "text") return { value: JSON.stringify(given.value), after: nothing };
  return { value: given.as === "broken text" ? given.text : given.value, after: nothing };
}
