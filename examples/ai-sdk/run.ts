import pc from "picocolors";
import { decisionLine } from "../support-desk/narrator";
import { openStage, type StageOptions } from "./stage";
import { playStory } from "./story";

/** Plays the story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export async function run(options: Omit<StageOptions, "onRecord"> = {}): Promise<0 | 1> {
  console.log(pc.bold("\n hopguard: the refund story under the AI SDK\n"));
  const stage = await openStage({
    ...options,
    onRecord: (record) => {
      const isShowing = record.flags.includes("look_up") && record.effect === "allow";
      if (!isShowing) console.log(decisionLine(record));
    },
  });
  let chapter = 0;
  try {
    await playStory(
      stage,
      (title) => console.log(`\n ${pc.bold(`${++chapter}. ${title}`)}`),
      (line) => console.log(`   ${pc.cyan(line)}`),
    );
    console.log(`\n ${pc.green("The story ended as told.")}\n`);
    return 0;
  } catch (error) {
    console.error(`\n ${pc.red(`Chapter ${chapter} ended otherwise than told:`)}`, error, "\n");
    return 1;
  } finally {
    await stage.stop();
  }
}
