import { fileURLToPath } from "node:url";
import type { AuditRecord } from "hopguard";
import pc from "picocolors";
import { openSupportDesk } from "./desk";
import { decisionLine, LEGEND, summaryTable } from "./narrator";
import { STORY } from "./story";

/** A server is decided when it is opened and again on its first message; a reader needs to see it once. */
const opened = new Set<string>();
const tellDecision = (record: AuditRecord): void => {
  const key =
    record.hop.action === "initialize" && record.effect === "allow" && `${record.session} ${record.hop.name}`;
  if (key && opened.has(key)) return;
  if (key) opened.add(key);
  console.log(decisionLine(record));
};

console.log(pc.bold("\n hopguard: a support desk whose agents cannot do more than they may\n"));
console.log(LEGEND);
const desk = await openSupportDesk({
  policies: fileURLToPath(new URL("../../policies", import.meta.url)),
  onRecord: tellDecision,
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
