import { fileURLToPath } from "node:url";
import type { AuditRecord } from "hopguard";
import { LEGEND, tellDecision } from "../shared/tell-decision";
import { chapterByChapter, tellStory } from "../shared/tell-story";
import { openSupportDesk } from "./desk";
import { STORY } from "./story";
import { summaryTable } from "./summary-table";

/** A server is decided when it is opened and again on its first message; a reader needs to see it once. */
const opened = new Set<string>();
const onRecord = (record: AuditRecord): void => {
  const key =
    record.hop.action === "initialize" && record.effect === "allow" && `${record.session} ${record.hop.name}`;
  if (key && opened.has(key)) return;
  if (key) opened.add(key);
  tellDecision(record);
};

process.exitCode = await tellStory({
  title: "a support desk whose agents cannot do more than they may",
  legend: LEGEND,
  open: () =>
    openSupportDesk({ policies: fileURLToPath(new URL("../../policies", import.meta.url)), onRecord }),
  play: async (desk, telling) => {
    const closing = await chapterByChapter(STORY)(desk, telling);
    console.log(`\n${summaryTable(desk)}`);
    return closing;
  },
});
