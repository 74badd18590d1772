import type { AuditRecord } from "hopguard";
import pc from "picocolors";
import { decisionLine } from "../support-desk/narrator";
import type { Scene } from "./scene";
import { openStage, type StageOptions } from "./stage";
import { playStory } from "./story";

/** Plays the story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export async function run(options: Omit<StageOptions, "onRecord"> = {}): Promise<0 | 1> {
  console.log(pc.bold("\n hopguard: work that is handed on, and authority that only narrows\n"));
  const stage = await openStage({ ...options, onRecord: tellDecision() });
  const scene: Scene = { stage, tell: (line) => console.log(`   ${pc.cyan(line)}`), refusals: 0 };
  let chapter = 0;
  try {
    await playStory(scene, (title) => console.log(`\n ${pc.bold(`${++chapter}. ${title}`)}`));
    console.log(
      `\n ${pc.green(`The story ended as told: ${scene.refusals} attempts refused, and nothing was reached by any.`)}\n`,
    );
    return 0;
  } catch (error) {
    console.error(`\n ${pc.red(`Chapter ${chapter} ended otherwise than told:`)}`, error, "\n");
    return 1;
  } finally {
    await stage.stop();
  }
}

/** Look-ups are left out, and a server that is opened is shown once a session, though it is decided on each of its messages. */
function tellDecision(): (record: AuditRecord) => void {
  const opened = new Set<string>();
  return (record) => {
    if (record.flags.includes("look_up")) return;
    const { agent, delegation, effect, hop } = record;
    if (effect === "allow" && /^(?:initialize|tools\/list)$/.test(hop.action)) {
      const key = [agent.id, delegation, hop.name].join(" ");
      if (opened.has(key)) return;
      opened.add(key);
    }
    console.log(decisionLine(record));
  };
}
