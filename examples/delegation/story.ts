import { tryWhatHasEnded } from "./chapters/ended";
import { tryForMore } from "./chapters/more";
import { tryToHandOn } from "./chapters/onward";
import { tryTokens } from "./chapters/tokens";
import { beginWork, doWork, handOn } from "./chapters/work";
import type { Scene } from "./scene";

/** Plays it all, and throws when anything ends otherwise than told. */
export async function playStory(scene: Scene, chapter: (title: string) => void): Promise<void> {
  chapter("A lead sets a planner to work, which reads a ticket");
  const planner = await beginWork(scene);

  chapter("The planner hands a refund of up to 50 dollars, on that ticket, to the executor");
  const work = await handOn(scene, planner);

  chapter("The executor, with a guard of its own, tries for more than it was handed");
  await tryForMore(scene, work);

  chapter("It does what it was handed");
  await doWork(scene, work);

  chapter("It tries to hand on");
  const chain = await tryToHandOn(scene, planner, work);

  chapter("It comes with tokens that nobody has given it");
  await tryTokens(scene, work, chain);

  chapter("It goes on when authority has ended");
  await tryWhatHasEnded(scene, planner, work, chain);
}
