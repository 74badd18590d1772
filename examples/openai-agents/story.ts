import assert from "node:assert/strict";
import { run } from "@openai/agents";
import { findDenial, type AuditRecord } from "hopguard";
import type { Chapter } from "../shared/tell-story";
import { ticketSession, TIER_1, TIER_2, TRIAGE } from "../support-desk/people";
import type { RefundScene } from "../support-desk/refund-scene";
import { frontDesk, open, worker } from "./agents";
import { TASKS } from "./script";

const common = { harness: "openai-agents", version: "2.3.0" };
const FRONT_DESK = { id: "front-desk", ...common };
const REFUND_BOT = { id: "refund-bot", ...common };

const lastRefund = ({ records }: RefundScene): AuditRecord | undefined =>
  records.findLast(
    ({ hop, flags }) => hop.action === "tools/call/refund_issue" && !flags.includes("look_up"),
  );

export const STORY: readonly Chapter<RefundScene>[] = [
  {
    title: "A model that the agent may not use is never asked; the denial says which one is",
    async play(scene, tell) {
      const session = await scene.guard.session({
        principal: TRIAGE,
        agent: { id: "triage-bot", ...common },
      });
      const large = await open(scene, session, worker(scene, "Triage", ["tickets"]));
      const denial = findDenial(await run(large.agent, TASKS.triage).catch((error: unknown) => error));
      assert.equal(denial?.code, "policy_denied");
      assert.equal(scene.provider.requests.length, 0, "nothing was to be spent");
      const model = String(denial.remediation?.model);
      tell(`triage-bot reads the denial, and goes on with ${model}`);
      const small = await open(scene, session, worker(scene, "Triage", ["tickets"], model));
      await run(small.agent, TASKS.triage);
      assert.equal(scene.servers.desk.tickets.get("T-1001")?.comments.length, 1);
      await Promise.all([large.close(), small.close()]);
    },
  },
  {
    title:
      "A tier-1 user's front desk hands a refund on: 40 dollars are given back, on less authority than the user has",
    async play(scene, tell) {
      const { account } = scene.servers.desk;
      const before = account.balance_cents;
      const session = await ticketSession(scene, TIER_1, FRONT_DESK);
      const { agent, close } = await open(scene, session, frontDesk(scene));
      const { lastAgent } = await run(agent, TASKS.smallRefund);
      assert.equal(lastAgent?.name, "Refunds");
      assert.equal(before - account.balance_cents, 4000);
      assert.equal(lastRefund(scene)?.agent.id, "refunds");
      tell("it was “refunds” that acted, for u-1042, on what the front desk had handed on");
      await close();
    },
  },
  {
    title: "48 dollars are within the user's cap, and beyond what was handed on",
    async play(scene, tell) {
      const reached = scene.servers.payments.toolCalls;
      const session = await ticketSession(scene, TIER_1, FRONT_DESK);
      const { agent, close } = await open(scene, session, frontDesk(scene));
      const { finalOutput } = await run(agent, TASKS.beyondGrant);
      assert.equal(scene.servers.payments.toolCalls, reached, "no call was to reach payments");
      assert.equal(lastRefund(scene)?.code, "delegation_invalid");
      tell(`the model says: “${String(finalOutput)}”`);
      await close();
    },
  },
  {
    title: "9,000 dollars: the run is interrupted, somebody says yes, and the policy still says no",
    async play(scene, tell) {
      const { account, tickets } = scene.servers.desk;
      const [before, reached] = [account.balance_cents, scene.servers.payments.toolCalls];
      const session = await ticketSession(scene, TIER_1, REFUND_BOT);
      const given = worker(scene, "Refunds", ["tickets", "payments", "payroll"]);
      const { agent, denials, close } = await open(scene, session, given);
      assert.deepEqual(
        denials.map(({ hop }) => hop.name),
        ["payroll"],
      );
      assert.equal(scene.servers.payroll.httpRequests, 0, "payroll was not to be asked");
      const { interruptions, state } = await run(agent, TASKS.largeRefund);
      const [interruption] = interruptions;
      assert.ok(interruption, "the run was to be interrupted");
      tell(`interrupted: somebody is to approve ${interruption.name ?? "?"}, and does`);
      state.approve(interruption);
      await run(agent, state);
      assert.equal(account.balance_cents, before, "no money was to move");
      assert.equal(scene.servers.payments.toolCalls, reached, "an approval alone was to move nothing");
      const comment = tickets.get("T-1001")?.comments.at(-1) ?? "";
      assert.match(comment, /A tier-2-lead must approve it\./);
      tell(`ticket T-1001 now says: “${comment}”`);
      await close();
    },
  },
  {
    title: "The tier-2 lead's own agent does the refund that was escalated",
    async play(scene, tell) {
      const { account } = scene.servers.desk;
      const before = account.balance_cents;
      const session = await ticketSession(scene, TIER_2, REFUND_BOT);
      const { agent, close } = await open(scene, session, worker(scene, "Refunds", ["payments"]));
      await run(agent, TASKS.approved);
      assert.equal(before - account.balance_cents, 900_000);
      tell("9,000 dollars are paid back");
      await close();
    },
  },
];
