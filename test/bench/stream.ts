import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { guardOpenAI } from "hopguard/openai";
import OpenAI from "openai";
import { interleaved, median, round } from "./measure";
import type { Workload } from "./workload";

/** An OpenAI chat stream of 2,000 text deltas, read to its end. */
export async function stream(workload: Workload) {
  const child = fork(fileURLToPath(new URL("stream-provider.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
  });
  try {
    const [baseURL] = (await once(child, "message")) as [string];
    const client = new OpenAI({ apiKey: "none", baseURL });
    const guarded = guardOpenAI(client, await workload.session());
    let deltas = 0;
    const read = (reader: OpenAI) => async (): Promise<void> => {
      const chunks = await reader.chat.completions.create({ model: "m", messages: [], stream: true });
      deltas = 0;
      for await (const { choices } of chunks) if (choices[0]?.delta.content) deltas++;
    };
    const times = await interleaved(30, { bare: read(client), guarded: read(guarded) });
    if (deltas !== 2000) throw new Error(`the stream had ${deltas} deltas`);
    return {
      bare_ms: round(median(times.bare), 1),
      guarded_ms: round(median(times.guarded), 1),
      ratio: round(median(times.guarded) / median(times.bare), 2),
    };
  } finally {
    child.disconnect();
  }
}
