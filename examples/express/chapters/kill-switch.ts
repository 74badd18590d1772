import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { BEN, bySdk, HELLO, loggedIn } from "../caller";
import { refused, type Scene } from "../scene";

/** Authority is withdrawn while a model writes. */
export async function pullTheSwitch(scene: Scene): Promise<void> {
  const { guard, provider } = scene.stage;
  const { openai } = await loggedIn(scene.stage, BEN);
  const before = provider.abortedRequests;
  const stream = await openai.chat.completions.create({
    model: "gpt-4o-mini",
    messages: HELLO,
    stream: true,
  });
  let text = "";
  const reading = (async () => {
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? "";
    return "it was written to its end";
  })().catch((error: unknown) => error);
  while (text.length < 30) await sleep(5);
  scene.tell("the model begins to write Ben a long letter");

  await guard.revoke({ principal: BEN.id }, { reason: "his laptop is gone", author: "ada" });
  scene.tell(
    "the kill switch is pulled: `guard.revoke({ principal })`, or `npx hopguard revoke` from elsewhere",
  );
  const end = await Promise.race([reading, sleep(3000, "seconds later it was still being written")]);
  assert.ok(end instanceof Error, String(end));
  scene.tell(`the letter ends in the middle: “… ${text.slice(-40)}”`);
  while (provider.abortedRequests === before) await sleep(5);
  scene.tell("the provider was told to stop");

  await refused(scene, "the next request, with the same good token", { status: 403, code: "revoked" }, () =>
    bySdk(openai.chat.completions.create({ model: "gpt-4o-mini", messages: HELLO })),
  );
  await guard.restore({ principal: BEN.id });
  await openai.chat.completions.create({ model: "gpt-4o-mini", messages: HELLO });
  scene.tell("it is taken back, and Ben goes on");
}
