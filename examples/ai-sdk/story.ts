import assert from "node:assert/strict";
import { generateText, type ModelMessage } from "ai";
import { findDenial } from "hopguard";
import { noModelsByName } from "hopguard/ai-sdk";
import type { Tell } from "../shared/tell-story";
import { ticketSession, TIER_1, TIER_2 } from "../support-desk/people";
import { refundAgent } from "./agent";
import { TASKS } from "./script";
import type { Stage } from "./stage";

const dollars = (cents: number): string =>
  (cents / 100).toLocaleString("en-US", { style: "currency", currency: "USD" });

const REFUND_BOT = { id: "refund-bot", harness: "ai-sdk" };

/** What came of an attempt that must not succeed. */
async function failure(attempt: Promise<unknown>): Promise<unknown> {
  const outcome = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome, "this was to be refused");
  return outcome;
}

/** Plays it all, and throws when anything ends otherwise than told. */
export async function playStory(stage: Stage, chapter: (title: string) => void, tell: Tell): Promise<void> {
  const { account, tickets } = stage.servers.desk;
  const tier1 = await ticketSession(stage, TIER_1, REFUND_BOT);
  const agent = refundAgent(stage, tier1);

  chapter("A tier-1 user's agent gives 40 dollars back");
  let balance = account.balance_cents;
  await agent.work(TASKS.small);
  assert.equal(balance - account.balance_cents, 4000);
  tell(`the desk's balance goes from ${dollars(balance)} to ${dollars(account.balance_cents)}`);

  chapter("It is told to give 9,000 dollars back: the tool is not run, and the model reads who must approve");
  balance = account.balance_cents;
  await agent.work(TASKS.large);
  assert.equal(account.balance_cents, balance, "no money was to move");
  const comment = tickets.get("T-1001")?.comments.at(-1) ?? "";
  assert.match(comment, /tier-2-lead/, `the ticket says: ${comment}`);
  tell(`ticket T-1001 now says: “${comment}”`);

  chapter("Two calls in one turn: each has its own decision");
  const calls = stage.toolCalls();
  await agent.work(TASKS.both);
  assert.equal(balance - account.balance_cents, 3000);
  assert.equal(stage.toolCalls() - calls, 1, "one of the two was to reach payments");
  tell("30 dollars are paid, 9,000 are not");

  chapter("Somebody is asked, and says yes: that alone allows nothing");
  balance = account.balance_cents;
  const conversation: ModelMessage[] = [{ role: "user", content: TASKS.large }];
  const asking = refundAgent(stage, await ticketSession(stage, TIER_1, REFUND_BOT));
  const asked = await asking.workWithApproval(conversation);
  const [request] = asked.content.filter((part) => part.type === "tool-approval-request");
  assert.ok(request, "the AI SDK was to ask for approval");
  tell(`the AI SDK asks the user: “${request.reason ?? ""}”, and the user says yes`);
  const yes = { type: "tool-approval-response", approvalId: request.approvalId, approved: true } as const;
  const answered: ModelMessage[] = [
    ...conversation,
    ...asked.responseMessages,
    { role: "tool", content: [yes] },
  ];
  await asking.workWithApproval(answered);
  assert.equal(account.balance_cents, balance, "no money was to move");
  tell("the policy is asked again, and still says no: the user is no tier-2 lead");

  chapter("A tier-2 lead's agent takes the same conversation up");
  await refundAgent(stage, await ticketSession(stage, TIER_2, REFUND_BOT)).workWithApproval(answered);
  assert.equal(balance - account.balance_cents, 900_000);
  tell(`the desk's balance goes from ${dollars(balance)} to ${dollars(account.balance_cents)}`);

  chapter("A step takes another model, and somebody one by its name alone");
  const asksModels = stage.provider.requests.length;
  const swapped = await failure(agent.work(TASKS.small, () => ({ model: agent.openai.chat("o3") })));
  assert.equal(findDenial(swapped)?.remediation?.type, "use_model");
  globalThis.AI_SDK_DEFAULT_PROVIDER = noModelsByName;
  const byName = await failure(generateText({ model: "openai/gpt-4o", prompt: TASKS.small }));
  assert.match(String(byName), /by its name alone/);
  assert.equal(stage.provider.requests.length, asksModels, "no model was to be asked");
  tell("neither has reached a provider");
}
