import { comeAsNobody, sayItTwice } from "./chapters/door";
import { askForMore, askModels } from "./chapters/gateway";
import { pullTheSwitch } from "./chapters/kill-switch";
import { refundPayments } from "./chapters/refunds";
import type { Scene } from "./scene";

/** Plays it all, and throws when anything ends otherwise than told. */
export async function playStory(scene: Scene, chapter: (title: string) => void): Promise<void> {
  chapter("Ben's programs ask models through the gateway");
  await askModels(scene);

  chapter("They ask for models that Ben may not use");
  await askForMore(scene);

  chapter("Somebody comes without a token, and with a forged one");
  await comeAsNobody(scene);

  chapter("Refunds, at a route of the application's own");
  await refundPayments(scene);

  chapter("Requests that two readers would read in two ways");
  await sayItTwice(scene);

  chapter("The kill switch is pulled while a model writes");
  await pullTheSwitch(scene);
}
