import type { AuditRecord } from "hopguard";
import pc from "picocolors";
import { decisionLine } from "../support-desk/narrator";
import { openStage, type StageOptions } from "./stage";
import { playStory } from "./story";

/** Plays the story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export async function run(options: Omit<StageOptions, "onRecord"> = {}): Promise<0 | 1> {
  console.log(pc.bold("\n hopguard: an MCP server that knows who calls, and what they may\n"));
  const stage = await openStage({ ...options, onRecord: tellDecision });
  let chapter = 0;
  try {
    await playStory({ stage, tell: (line) => console.log(`   ${pc.cyan(line)}`) }, (title) =>
      console.log(`\n ${pc.bold(`${++chapter}. ${title}`)}`),
    );
    console.log(`\n ${pc.green("The story ended as told: no tool ran that was not allowed.")}\n`);
    return 0;
  } catch (error) {
    console.error(`\n ${pc.red(`Chapter ${chapter} ended otherwise than told:`)}`, error, "\n");
    return 1;
  } finally {
    await stage.stop();
  }
}

/** Opening the server is decided on each of a client's messages, and need not be read each time. */
function tellDecision(record: AuditRecord): void {
  const { effect, hop, flags } = record;
  const opens = effect === "allow" && /^(?:initialize|tools\/list)$/.test(hop.action);
  if (!opens && !flags.includes("look_up")) console.log(decisionLine(record));
}
