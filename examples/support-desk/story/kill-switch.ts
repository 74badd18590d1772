import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { findDenial } from "hopguard";
import type { Agent } from "../agent";
import type { SupportDesk } from "../desk";
import { isScripted } from "../models";
import { TIER_1 } from "../people";
import { TASKS } from "../tasks";
import { last, refundBot, triageBot, type Chapter } from "./chapter";

export const killSwitch: Chapter = {
  title:
    "The security team revokes the task while the model writes: the answer ends, and nothing more leaves",
  async play(desk, tell) {
    const [agent, bystander] = await Promise.all([refundBot(desk, TIER_1), triageBot(desk)]);
    assert.equal(await agent.open("payments"), undefined);
    assert.equal(await bystander.open("tickets"), undefined);
    const hopguard = async (...args: readonly string[]): Promise<void> => {
      tell(`$ npx hopguard ${args.map((arg) => (arg.includes(" ") ? `"${arg}"` : arg)).join(" ")}`);
      tell(await desk.hopguard(args));
    };

    const aborted = desk.provider.abortedRequests;
    const letter = write(agent);
    let text = (await letter.next()).value ?? "";
    tell("the model begins to write a long letter");
    const readOn = async (): Promise<string> => {
      for await (const piece of letter) text += piece;
      return "it was written to its end";
    };
    const reading = readOn().catch((error: unknown) => error);
    await hopguard("revoke", "--task", "T-1001", "--reason", "odd refunds", "--author", "ada");
    const end = await Promise.race([reading, sleep(1000, "a second later it was still being written")]);
    assert.equal(findDenial(end)?.code, "revoked", String(end));
    tell(`the letter ends in the middle: “${text.slice(-80)}”`);
    const { detail = "" } = last(desk, "completion") ?? {};
    assert.match(detail, /odd refunds.*ada/);
    assert.doesNotMatch(JSON.stringify(findDenial(end)), /odd refunds/);
    tell(`the agent is not told why; the audit record says ${detail}`);
    await assertNothingLeaves(desk, agent);
    tell("triage-bot is not on that task, and goes on");
    assert.match(await bystander.call("ticket_get", { ticket_id: "T-1003" }), /Where is my chair/);

    await hopguard("restore", "--task", "T-1001");
    if (isScripted)
      assert.equal(desk.provider.abortedRequests, aborted + 1, "the provider was to stop writing");
    const next = await refundBot(desk, TIER_1);
    assert.equal(await next.open("payments"), undefined);
    await next.workWithOpenAI("gpt-4o", TASKS.ping);
    assert.match(await next.call("balance_get", {}), /balance_cents/);
    await Promise.all([agent, bystander, next].map((each) => each.close()));
  },
};

/** A long answer, piece by piece. */
async function* write({ openai }: Agent): AsyncGenerator<string, undefined> {
  const messages = [{ role: "user" as const, content: TASKS.letter }];
  const stream = await openai.chat.completions.create({ model: "gpt-4o", messages, stream: true });
  for await (const { choices } of stream) {
    const text = choices[0]?.delta.content;
    if (text) yield text;
  }
}

async function assertNothingLeaves({ provider, servers }: SupportDesk, agent: Agent): Promise<void> {
  const spent = provider.requests.length;
  const asked = servers.payments.httpRequests;
  const [model, tool] = await Promise.all([
    agent.workWithOpenAI("gpt-4o", TASKS.ping).catch((error: unknown) => error),
    agent.call("balance_get", {}),
  ]);
  assert.equal(findDenial(model)?.code, "revoked");
  assert.match(tool, /"code":"revoked"/);
  assert.equal(provider.requests.length, spent, "nothing was to be spent");
  assert.equal(servers.payments.httpRequests, asked, "payments was not to be asked");
}
