import type { AuditRecord } from "hopguard";
import { tellDecision } from "../shared/tell-decision";
import { tellStory } from "../shared/tell-story";
import type { Scene } from "./scene";
import { openStage, type StageOptions } from "./stage";
import { playStory } from "./story";

/** Plays the story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export const run = (options: Omit<StageOptions, "onRecord"> = {}): Promise<0 | 1> =>
  tellStory({
    title: "work that is handed on, and authority that only narrows",
    open: () => openStage({ ...options, onRecord: tellOnce() }),
    play: async (stage, { chapter, tell }) => {
      const scene: Scene = { stage, tell, refusals: 0 };
      await playStory(scene, chapter);
      return `The story ended as told: ${scene.refusals} attempts refused, and nothing was reached by any.`;
    },
  });

/** Look-ups are left out, and a server that is opened is shown once a session, though it is decided on each of its messages. */
function tellOnce(): (record: AuditRecord) => void {
  const opened = new Set<string>();
  return (record) => {
    if (record.flags.includes("look_up")) return;
    const { agent, delegation, effect, hop } = record;
    if (effect === "allow" && /^(?:initialize|tools\/list)$/.test(hop.action)) {
      const key = [agent.id, delegation, hop.name].join(" ");
      if (opened.has(key)) return;
      opened.add(key);
    }
    tellDecision(record);
  };
}
