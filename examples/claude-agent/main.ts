import pc from "picocolors";
import { decisionLine, LEGEND } from "../support-desk/narrator";
import { openScene } from "./scene";
import { STORY } from "./story";

console.log(pc.bold("\n hopguard: the support desk's refunds, by an agent of the Claude Agent SDK\n"));
console.log(LEGEND);
const scene = await openScene({ onRecord: (record) => console.log(decisionLine(record)) });
let chapter = 0;
try {
  for (const part of STORY) {
    console.log(`\n ${pc.bold(`${++chapter}. ${part.title}`)}`);
    await part.play(scene, (line) => console.log(`   ${pc.cyan(line)}`));
  }
  console.log(`\n ${pc.green("The story ended as told.")}\n`);
} catch (error) {
  console.error(`\n ${pc.red(`Chapter ${chapter} ended otherwise than told:`)}`, error, "\n");
  process.exitCode = 1;
} finally {
  await scene.stop();
}
