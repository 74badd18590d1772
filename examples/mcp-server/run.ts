import type { AuditRecord } from "hopguard";
import { tellDecision } from "../shared/tell-decision";
import { tellStory } from "../shared/tell-story";
import { openStage, type StageOptions } from "./stage";
import { playStory } from "./story";

/** Plays the story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export const run = (options: Omit<StageOptions, "onRecord"> = {}): Promise<0 | 1> =>
  tellStory({
    title: "an MCP server that knows who calls, and what they may",
    open: () => openStage({ ...options, onRecord: tellCalls }),
    play: async (stage, { chapter, tell }) => {
      await playStory({ stage, tell }, chapter);
      return "The story ended as told: no tool ran that was not allowed.";
    },
  });

/** Opening the server is decided on each of a client's messages, and need not be read each time. */
function tellCalls(record: AuditRecord): void {
  const { effect, hop, flags } = record;
  const opens = effect === "allow" && /^(?:initialize|tools\/list)$/.test(hop.action);
  if (!opens && !flags.includes("look_up")) tellDecision(record);
}
