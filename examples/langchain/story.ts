import assert from "node:assert/strict";
import { Command } from "@langchain/langgraph";
import { findDenial } from "hopguard";
import type { Chapter } from "../shared/tell-story";
import { ticketSession, TIER_1, TIER_2, TRIAGE } from "../support-desk/people";
import type { RefundScene } from "../support-desk/refund-scene";
import { TASKS } from "../support-desk/tasks";
import { openAgent } from "./agent";

const common = { harness: "langchain", version: "2.3.0" };
const REFUND_BOT = { id: "refund-bot", ...common };

export const STORY: readonly Chapter<RefundScene>[] = [
  {
    title: "A model that the agent may not use is never asked; the denial says which one is",
    async play(scene, tell) {
      const session = await scene.guard.session({
        principal: TRIAGE,
        agent: { id: "triage-bot", ...common },
      });
      const large = await openAgent(scene, session);
      const denial = findDenial(await large.work(TASKS.triage).catch((error: unknown) => error));
      assert.equal(denial?.code, "policy_denied");
      assert.equal(scene.provider.requests.length, 0, "nothing was to be spent");
      const model = String(denial.remediation?.model);
      tell(`triage-bot reads the denial, and goes on with ${model}`);
      const small = await openAgent(scene, session, { model });
      await small.work(TASKS.triage);
      assert.equal(scene.servers.desk.tickets.get("T-1001")?.comments.length, 1);
      await Promise.all([large.close(), small.close()]);
    },
  },
  {
    title: "A tier-1 user's refund-bot gives 40 dollars back, and is shown no payroll",
    async play(scene, tell) {
      const { account } = scene.servers.desk;
      const before = account.balance_cents;
      const session = await ticketSession(scene, TIER_1, REFUND_BOT);
      const agent = await openAgent(scene, session);
      assert.equal(scene.servers.payroll.httpRequests, 0, "payroll was not to be asked");
      tell(`refund-bot has ${agent.toolNames.join(", ")}`);
      await agent.work(TASKS.smallRefund);
      assert.equal(before - account.balance_cents, 4000);
      await agent.close();
    },
  },
  {
    title: "The model asks for 9,000 dollars: denied, and its next turn passes on who must approve",
    async play(scene, tell) {
      const { account, tickets } = scene.servers.desk;
      const [before, reached] = [account.balance_cents, scene.servers.payments.toolCalls];
      const session = await ticketSession(scene, TIER_1, REFUND_BOT);
      const agent = await openAgent(scene, session);
      await agent.work(TASKS.largeRefund);
      assert.equal(account.balance_cents, before, "no money was to move");
      assert.equal(scene.servers.payments.toolCalls, reached, "no call was to reach payments");
      const comment = tickets.get("T-1001")?.comments.at(-1) ?? "";
      assert.match(comment, /A tier-2-lead must approve it\./);
      tell(`ticket T-1001 now says: “${comment}”`);
      await agent.close();
    },
  },
  {
    title: "The graph pauses for the approval; somebody says yes, and the policy still says no",
    async play(scene, tell) {
      const reached = scene.servers.payments.toolCalls;
      const session = await ticketSession(scene, TIER_1, REFUND_BOT);
      const agent = await openAgent(scene, session, { stepUp: "interrupt" });
      const paused = (await agent.work(TASKS.largeRefund)) as {
        readonly __interrupt__?: readonly { value: unknown }[];
      };
      const denial = findDenial(paused.__interrupt__?.[0]?.value);
      assert.equal(denial?.remediation?.type, "step_up");
      tell(`paused: ${denial.reason}, to be approved by a ${String(denial.remediation.approvers_role)}`);
      await agent.work(new Command({ resume: { approved: true } }));
      assert.equal(scene.servers.payments.toolCalls, reached, "an approval alone was to move nothing");
      await agent.close();
    },
  },
  {
    title: "The tier-2 lead's own agent does the refund that was escalated",
    async play(scene, tell) {
      const { account } = scene.servers.desk;
      const before = account.balance_cents;
      const session = await ticketSession(scene, TIER_2, REFUND_BOT);
      const agent = await openAgent(scene, session);
      await agent.work(TASKS.approved);
      assert.equal(before - account.balance_cents, 900_000);
      tell("9,000 dollars are paid back");
      await agent.close();
    },
  },
];
