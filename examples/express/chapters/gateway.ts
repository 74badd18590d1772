import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { ADA, BEN, bySdk, HELLO, loggedIn } from "../caller";
import { refused, type Scene } from "../scene";
import { PROVIDER_KEY } from "../stage";

/** What passes. */
export async function askModels({ stage, tell }: Scene): Promise<void> {
  const { provider } = stage;
  const ben = await loggedIn(stage, BEN);
  const { choices } = await ben.openai.chat.completions.create({ model: "gpt-4o-mini", messages: HELLO });
  tell(`the OpenAI SDK gets: “${choices[0]?.message.content ?? ""}”`);
  const { authorization } = provider.requests.at(-1)?.headers ?? {};
  assert.equal(authorization, `Bearer ${PROVIDER_KEY}`, "the provider was to see the gateway's key");
  tell("the provider has seen one request, with the gateway's key, and nothing of Ben's token");

  const { content } = await ben.anthropic.messages.create({
    ...{ model: "claude-haiku-5-5", max_tokens: 100, messages: HELLO },
  });
  tell(`the Anthropic SDK gets: “${content[0]?.type === "text" ? content[0].text : ""}”`);
  const { authorization: none, "x-api-key": key } = provider.requests.at(-1)?.headers ?? {};
  assert.deepEqual([none, key], [undefined, PROVIDER_KEY]);
  assert.equal(provider.requests.length, 2);
}

/** What does not. */
export async function askForMore(scene: Scene): Promise<void> {
  const { stage, tell } = scene;
  const [ben, ada] = await Promise.all([loggedIn(stage, BEN), loggedIn(stage, ADA)]);
  const forbidden = { status: 403, code: "policy_denied" } as const;

  const large = { model: "gpt-4o", messages: HELLO };
  const first = await refused(scene, "a large model, by the OpenAI SDK", forbidden, () =>
    bySdk(ben.openai.chat.completions.create(large)),
  );
  assert.ok(first.body instanceof OpenAI.PermissionDeniedError);
  assert.deepEqual(first.denial?.remediation, { type: "use_model", model: "gpt-4o-mini" });

  const second = await refused(scene, "a large model, by the Anthropic SDK", forbidden, () =>
    bySdk(ben.anthropic.messages.create({ model: "claude-sonnet-5-5", max_tokens: 100, messages: HELLO })),
  );
  assert.ok(second.body instanceof Anthropic.PermissionDeniedError);
  tell("both are the SDK's own PermissionDeniedError, after one request and no retry");

  await ada.openai.chat.completions.create(large);
  tell("Ada, who is a lead, has it");
  const namesFor = async ({ openai }: typeof ben): Promise<readonly string[]> =>
    (await openai.models.list()).data.map(({ id }) => id);
  assert.deepEqual(await namesFor(ben), ["gpt-4o-mini"]);
  assert.deepEqual(await namesFor(ada), ["gpt-4o", "gpt-4o-mini"]);
  tell("`models.list()` shows to each what they may use: Ben one model, Ada two");
}
