import { setTracingDisabled } from "@openai/agents";
import { LEGEND, tellDecision } from "../shared/tell-decision";
import { chapterByChapter, tellStory } from "../shared/tell-story";
import { openScene } from "./scene";
import { STORY } from "./story";

// Traces hold what is said, and go to OpenAI by a way of their own.
setTracingDisabled(true);
process.exitCode = await tellStory({
  title: "the support desk's refunds, by agents of the OpenAI Agents SDK",
  legend: LEGEND,
  open: () => openScene({ onRecord: tellDecision }),
  play: chapterByChapter(STORY),
});
