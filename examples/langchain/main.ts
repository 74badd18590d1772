import { LEGEND, tellDecision } from "../shared/tell-decision";
import { chapterByChapter, tellStory } from "../shared/tell-story";
import { openRefundScene } from "../support-desk/refund-scene";
import { STORY } from "./story";

process.exitCode = await tellStory({
  title: "the support desk's refunds, by an agent of LangChain",
  legend: LEGEND,
  open: () => openRefundScene({ onRecord: tellDecision }),
  play: chapterByChapter(STORY),
});
