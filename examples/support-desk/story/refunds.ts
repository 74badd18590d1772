import assert from "node:assert/strict";
import { isScripted } from "../models";
import { TIER_1, TIER_2 } from "../people";
import { TASKS } from "../tasks";
import { dollars, last, refundBot, type Chapter } from "./chapter";

export const smallRefund: Chapter = {
  title: "A tier-1 user's refund-bot gives 40 dollars back, on the ticket that it was set to",
  async play(desk, tell) {
    const { account } = desk.servers.desk;
    const before = account.balance_cents;
    const agent = await refundBot(desk, TIER_1);
    for (const server of ["tickets", "crm", "payments"] as const)
      assert.equal(await agent.open(server), undefined);
    assert.equal((await agent.open("payroll"))?.code, "policy_denied");
    assert.equal(desk.servers.payroll.httpRequests, 0, "payroll was not to be asked");
    tell(`refund-bot sees ${agent.toolNames.join(", ")}`);
    await agent.workWithOpenAI("gpt-4o", TASKS.smallRefund);
    assert.equal(before - account.balance_cents, 4000);
    tell(`the desk's balance goes from ${dollars(before)} to ${dollars(account.balance_cents)}`);
    await agent.close();
  },
};

export const largeRefund: Chapter = {
  title: "The model asks for 9,000 dollars: denied, and the agent passes on who must approve",
  async play(desk, tell) {
    const { account, tickets } = desk.servers.desk;
    const before = account.balance_cents;
    const agent = await refundBot(desk, TIER_1);
    for (const server of ["tickets", "payments"] as const) assert.equal(await agent.open(server), undefined);
    await agent.workWithOpenAI("gpt-4o", TASKS.largeRefund);
    assert.equal(account.balance_cents, before, "no money was to move");
    const denied = last(desk, "tools/call/refund_issue");
    assert.equal(denied?.code, "policy_denied");
    const comment = tickets.get("T-1001")?.comments.at(-1) ?? "";
    assert.ok(comment.includes(String(denied.remediation?.approvers_role)), `the ticket says: ${comment}`);
    tell(`ticket T-1001 now says: “${comment}”`);
    await agent.close();
  },
};

export const confused: Chapter = {
  title: "Another ticket, an amount in quotes, no amount: nothing reaches payments",
  async play(desk, tell) {
    const { payments, desk: data } = desk.servers;
    const before = data.account.balance_cents;
    const agent = await refundBot(desk, TIER_1, "check");
    assert.equal(await agent.open("payments"), undefined);
    const reached = payments.toolCalls;
    const from = desk.records.length;
    const answer = await agent.workWithOpenAI("gpt-4o", TASKS.confused);
    assert.equal(payments.toolCalls, reached, "no call was to reach payments");
    assert.equal(data.account.balance_cents, before, "no money was to move");
    const codes = desk.records.slice(from).flatMap(({ code }) => code ?? []);
    if (isScripted)
      assert.deepEqual(codes.sort(), ["arguments_invalid", "arguments_invalid", "policy_denied"]);
    const [denial = ""] = answer.split("\n");
    if (isScripted) assert.match(denial, /^The call of the tool "refund_issue" was denied: /);
    tell(`the guard has read the model's answer; in place of the calls the agent gets “${denial}” …`);
    await agent.close();
  },
};

export const approved: Chapter = {
  title: "A tier-2 lead's agent, on a Claude model, does the refund that was escalated",
  async play(desk, tell) {
    const { account, tickets } = desk.servers.desk;
    const before = account.balance_cents;
    const agent = await refundBot(desk, TIER_2);
    for (const server of ["tickets", "payments"] as const) assert.equal(await agent.open(server), undefined);
    await agent.workWithAnthropic("claude-sonnet-5-5", TASKS.approved);
    assert.equal(before - account.balance_cents, 900_000);
    if (isScripted) assert.equal(tickets.get("T-1001")?.status, "closed");
    tell(`the desk's balance goes from ${dollars(before)} to ${dollars(account.balance_cents)}`);
    await agent.close();
  },
};
