import assert from "node:assert/strict";
import { Command } from "@langchain/langgraph";
import { findDenial, type Session } from "hopguard";
import { TASKS } from "../support-desk/tasks";
import { openAgent } from "./agent";
import type { Scene } from "./scene";

/** A chapter: it plays, and throws when anything ends otherwise than told. */
export interface Chapter {
  readonly title: string;
  play(scene: Scene, tell: (line: string) => void): Promise<void>;
}

const refundBot = ({ guard }: Scene, id: string, role: string): Promise<Session> =>
  guard.session({
    principal: { id, roles: [role] },
    agent: { id: "refund-bot", harness: "langchain", version: "2.3.0" },
    task: { id: "T-1001", attr: { ticket_id: "T-1001" } },
  });
const tier1 = (scene: Scene): Promise<Session> => refundBot(scene, "u-1042", "tier-1-support");
const tier2 = (scene: Scene): Promise<Session> => refundBot(scene, "u-2001", "tier-2-lead");
const callsOfPayments = ({ servers }: Scene): number =>
  servers.payments.requests.filter(({ method }) => method === "tools/call").length;

export const STORY: readonly Chapter[] = [
  {
    title: "A model that the agent may not use is never asked; the denial says which one is",
    async play(scene, tell) {
      const session = await scene.guard.session({
        principal: { id: "svc-triage", roles: ["autonomous-triage"], type: "service" },
        agent: { id: "triage-bot", harness: "langchain", version: "2.3.0" },
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
      const agent = await openAgent(scene, await tier1(scene));
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
      const [before, reached] = [account.balance_cents, callsOfPayments(scene)];
      const agent = await openAgent(scene, await tier1(scene));
      await agent.work(TASKS.largeRefund);
      assert.equal(account.balance_cents, before, "no money was to move");
      assert.equal(callsOfPayments(scene), reached, "no call was to reach payments");
      const comment = tickets.get("T-1001")?.comments.at(-1) ?? "";
      assert.match(comment, /A tier-2-lead must approve it\./);
      tell(`ticket T-1001 now says: “${comment}”`);
      await agent.close();
    },
  },
  {
    title: "The graph pauses for the approval; somebody says yes, and the policy still says no",
    async play(scene, tell) {
      const reached = callsOfPayments(scene);
      const agent = await openAgent(scene, await tier1(scene), { stepUp: "interrupt" });
      const paused = (await agent.work(TASKS.largeRefund)) as {
        readonly __interrupt__?: readonly { value: unknown }[];
      };
      const denial = findDenial(paused.__interrupt__?.[0]?.value);
      assert.equal(denial?.remediation?.type, "step_up");
      tell(`paused: ${denial.reason}, to be approved by a ${String(denial.remediation.approvers_role)}`);
      await agent.work(new Command({ resume: { approved: true } }));
      assert.equal(callsOfPayments(scene), reached, "an approval alone was to move nothing");
      await agent.close();
    },
  },
  {
    title: "The tier-2 lead's own agent does the refund that was escalated",
    async play(scene, tell) {
      const { account } = scene.servers.desk;
      const before = account.balance_cents;
      const agent = await openAgent(scene, await tier2(scene));
      await agent.work(TASKS.approved);
      assert.equal(before - account.balance_cents, 900_000);
      tell("9,000 dollars are paid back");
      await agent.close();
    },
  },
];
