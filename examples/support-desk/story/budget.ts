import assert from "node:assert/strict";
import { findDenial } from "hopguard";
import { Agent } from "../agent";
import { TASKS } from "../tasks";
import type { Chapter } from "./chapter";

/** Each asks for three answers of up to 16,384 tokens, and so reserves 49,152: four fit into 200,000. */
const QUESTION = {
  model: "gpt-4o-mini",
  messages: [{ role: "user" as const, content: TASKS.ping }],
  n: 3,
  max_tokens: 16_384,
};

export const budget: Chapter = {
  title: "A developer's bot asks six times at once, with a budget of 200,000 tokens that four may use up",
  async play(desk, tell) {
    const session = await desk.budgetGuard.session({
      principal: { id: "u-4007", roles: ["developer"] },
      agent: { id: "eval-bot", harness: "support-desk", version: "2.3.0" },
      task: { id: "EVAL-7" },
    });
    const { openai } = new Agent(desk, session);
    const spent = desk.provider.requests.length;
    const ask = () => openai.chat.completions.create(QUESTION);
    const asked = await Promise.allSettled(Array.from({ length: 6 }, ask));
    const denials = asked.flatMap((each) => (each.status === "rejected" ? [findDenial(each.reason)] : []));
    assert.deepEqual(
      denials.map((denial) => denial?.reason),
      Array(2).fill("the budget of this task is spent"),
    );
    assert.ok(desk.provider.requests.length - spent <= 4, "no more than four were to be sent");

    tell("the four used far less than they might have; what they left is free again");
    await ask();
  },
};
