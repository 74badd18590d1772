import { fileURLToPath } from "node:url";
import pc from "picocolors";
import { openSupportDesk } from "./desk";
import { decisionLine, summaryTable } from "./narrator";
import { STORY } from "./story";

console.log(pc.bold("\n hopguard: a support desk whose agents cannot do more than they may\n"));
const desk = await openSupportDesk({
  policies: fileURLToPath(new URL("../../policies", import.meta.url)),
  onRecord: (record) => console.log(decisionLine(record)),
});

let chapter = 0;
try {
  for (const part of STORY) {
    console.log(`\n ${pc.bold(`${++chapter}. ${part.title}`)}`);
    await part.play(desk, (line) => console.log(`   ${pc.cyan(line)}`));
  }
  console.log(`\n${summaryTable(desk)}\n\n ${pc.green("The story ended as told.")}\n`);
} catch (error) {
  console.error(`\n ${pc.red(`Chapter ${chapter} ended otherwise than told:`)}`, error, "\n");
  process.exitCode = 1;
} finally {
  await desk.stop();
}
