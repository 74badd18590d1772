import pc from "picocolors";
import { decisionLine } from "../support-desk/narrator";
import type { Scene } from "./scene";
import { openStage, type StageOptions } from "./stage";
import { playStory } from "./story";

/** Plays the story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export async function run(title: string, options: Omit<StageOptions, "onRecord">): Promise<0 | 1> {
  console.log(pc.bold(`\n hopguard: ${title}\n`));
  const stage = await openStage({ ...options, onRecord: (record) => console.log(decisionLine(record)) });
  const scene: Scene = { stage, tell: (line) => console.log(`   ${pc.cyan(line)}`), refusals: 0 };
  let chapter = 0;
  try {
    await playStory(scene, (heading) => console.log(`\n ${pc.bold(`${++chapter}. ${heading}`)}`));
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
