import { tellDecision } from "../shared/tell-decision";
import { tellStory } from "../shared/tell-story";
import type { Scene } from "./scene";
import { openStage, type StageOptions } from "./stage";
import { playStory } from "./story";

/** Plays the story on the terminal. Answers with the process's exit code: 1 when anything ends otherwise than told. */
export const run = (title: string, options: Omit<StageOptions, "onRecord">): Promise<0 | 1> =>
  tellStory({
    title,
    open: () => openStage({ ...options, onRecord: tellDecision }),
    play: async (stage, { chapter, tell }) => {
      const scene: Scene = { stage, tell, refusals: 0 };
      await playStory(scene, chapter);
      return `The story ended as told: ${scene.refusals} attempts refused, and nothing was reached by any.`;
    },
  });
