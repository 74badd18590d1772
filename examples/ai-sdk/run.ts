import type { AuditRecord } from "hopguard";
import { tellDecision } from "../shared/tell-decision";
import { tellStory } from "../shared/tell-story";
import { openStage, type StageOptions } from "./stage";
import { playStory } from "./story";

/** Plays the story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export const run = (options: Omit<StageOptions, "onRecord"> = {}): Promise<0 | 1> =>
  tellStory({
    title: "the refund story under the AI SDK",
    open: () => openStage({ ...options, onRecord: tellCalls }),
    play: async (stage, { chapter, tell }) => {
      await playStory(stage, chapter, tell);
      return "The story ended as told.";
    },
  });

/** What the guard asks to know what to show is left out. */
function tellCalls(record: AuditRecord): void {
  const isShowing = record.flags.includes("look_up") && record.effect === "allow";
  if (!isShowing) tellDecision(record);
}
