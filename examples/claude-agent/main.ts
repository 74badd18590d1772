import { LEGEND, tellDecision } from "../shared/tell-decision";
import { chapterByChapter, tellStory } from "../shared/tell-story";
import { openRefundScene } from "../support-desk/refund-scene";
import { scriptedModel } from "./script";
import { STORY } from "./story";

process.exitCode = await tellStory({
  title: "the support desk's refunds, by an agent of the Claude Agent SDK",
  legend: LEGEND,
  open: () => openRefundScene({ turn: scriptedModel, onRecord: tellDecision }),
  play: chapterByChapter(STORY),
});
