import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { guardOpenAI, type GuardOpenAIOptions } from "hopguard/openai";
import OpenAI from "openai";
import { interleaved, median, round } from "./measure";
import type { Workload } from "./workload";

/** An OpenAI chat stream of 2,000 text deltas, as fast as they come, read to its end. */
export async function stream(workload: Workload) {
  const { bare, guarded } = await timeStreams(workload, { model: "fast", rounds: 30, tools: [] });
  return { bare_ms: round(bare, 1), guarded_ms: round(guarded, 1), ratio: round(guarded / bare, 2) };
}

const TOOLS = ["conditional_0", "conditional_1", "conditional_2"];

/**
 * The same with three tool calls behind the text, which are checked before the agent sees them. `ratio` is that of deltas that come a millisecond
 * apart, which is faster than any model writes; `burst_ratio` is that of deltas as fast as they come.
 */
export async function streamTools(workload: Workload) {
  const origin = { server: "lab" } as const;
  const checked = { tools: TOOLS, options: { tools: () => origin } };
  const paced = await timeStreams(workload, { model: "paced", rounds: 5, ...checked });
  const burst = await timeStreams(workload, { model: "fast", rounds: 30, ...checked });
  return {
    bare_ms: round(paced.bare, 1),
    guarded_ms: round(paced.guarded, 1),
    ratio: round(paced.guarded / paced.bare, 2),
    burst_bare_ms: round(burst.bare, 1),
    burst_guarded_ms: round(burst.guarded, 1),
    burst_ratio: round(burst.guarded / burst.bare, 2),
  };
}

interface StreamChoice {
  readonly model: "fast" | "paced";
  readonly rounds: number;
  /** What the request declares, and the model calls. */
  readonly tools: readonly string[];
  readonly options?: GuardOpenAIOptions;
}

/** Median milliseconds of a stream, bare and guarded. */
async function timeStreams(workload: Workload, { model, rounds, tools: names, options }: StreamChoice) {
  const child = fork(fileURLToPath(new URL("stream-provider.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
  });
  try {
    const [baseURL] = (await once(child, "message")) as [string];
    const client = new OpenAI({ apiKey: "none", baseURL });
    const guarded = guardOpenAI(client, await workload.session(), options);
    const request = { model, messages: [], stream: true as const, tools: names.map(toolNamed) };
    let [deltas, calls] = [0, 0];
    const read = (reader: OpenAI) => async (): Promise<void> => {
      [deltas, calls] = [0, 0];
      for await (const { choices } of await reader.chat.completions.create(request)) {
        if (choices[0]?.delta.content) deltas++;
        if (choices[0]?.delta.tool_calls?.[0]?.id) calls++;
      }
    };
    const times = await interleaved(rounds, { bare: read(client), guarded: read(guarded) });
    if (deltas !== 2000 || calls !== names.length)
      throw new Error(`the stream had ${deltas} deltas and ${calls} calls`);
    return { bare: median(times.bare), guarded: median(times.guarded) };
  } finally {
    child.disconnect();
  }
}

const toolNamed = (name: string): OpenAI.ChatCompletionFunctionTool => ({
  type: "function",
  function: {
    name,
    parameters: {
      type: "object",
      properties: { amount_cents: { type: "integer" } },
      required: ["amount_cents"],
    },
  },
});
