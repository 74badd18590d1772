import assert from "node:assert/strict";
import { findDenial, type AuditRecord } from "hopguard";
import { Agent } from "./agent";
import type { SupportDesk } from "./desk";
import { TASKS } from "./tasks";

/** A chapter of the story: it plays, and throws when anything ends otherwise than told. */
export interface Chapter {
  readonly title: string;
  play(desk: SupportDesk, tell: (line: string) => void): Promise<void>;
}

/** With a real model nobody knows which calls it makes; what reached the servers must hold all the same. */
const isScripted = !process.env.OPENAI_API_KEY && !process.env.ANTHROPIC_API_KEY;

const dollars = (cents: number): string =>
  (cents / 100).toLocaleString("en-US", { style: "currency", currency: "USD" });

const SUPPORT_TASK = { id: "T-1001", attr: { ticket_id: "T-1001" } };

async function refundBot(
  desk: SupportDesk,
  principal: { readonly id: string; readonly roles: readonly string[] },
): Promise<Agent> {
  const session = await desk.guard.session({
    principal,
    agent: { id: "refund-bot", harness: "support-desk", version: "2.3.0" },
    task: SUPPORT_TASK,
  });
  return new Agent(desk, session);
}

const TIER_1 = { id: "u-1042", roles: ["tier-1-support"] };
const TIER_2 = { id: "u-2001", roles: ["tier-2-lead"] };

const triage: Chapter = {
  title: "Triage works by itself, on the small model, and sees tickets and customers only",
  async play(desk, tell) {
    const session = await desk.guard.session({
      principal: { id: "svc-triage", roles: ["autonomous-triage"], type: "service" },
      agent: { id: "triage-bot", harness: "support-desk", version: "2.3.0" },
    });
    const agent = new Agent(desk, session);
    for (const server of ["tickets", "crm"] as const) assert.equal(await agent.open(server), undefined);
    for (const server of ["payments", "payroll"] as const) {
      assert.equal((await agent.open(server))?.code, "policy_denied");
      assert.equal(desk.servers[server].httpRequests, 0, `${server} was not to be asked`);
    }

    const denial = findDenial(
      await agent.workWithOpenAI("gpt-4o", TASKS.triage).catch((error: unknown) => error),
    );
    assert.equal(denial?.code, "policy_denied");
    assert.equal(desk.provider.requests.length, 0, "nothing was to be spent");
    // The denial says what may be used instead.
    const model = String(denial.remediation?.model);
    tell(`triage-bot reads the denial, and goes on with ${model}`);
    await agent.workWithOpenAI(model, TASKS.triage);
    if (isScripted) assert.equal(desk.servers.desk.tickets.get("T-1001")?.comments.length, 1);
    await agent.close();
  },
};

const smallRefund: Chapter = {
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

const largeRefund: Chapter = {
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

const confused: Chapter = {
  title: "Another ticket, an amount in quotes, no amount: nothing reaches payments",
  async play(desk, tell) {
    const { payments, desk: data } = desk.servers;
    const before = data.account.balance_cents;
    const agent = await refundBot(desk, TIER_1);
    assert.equal(await agent.open("payments"), undefined);
    const calls = (): number => payments.requests.filter(({ method }) => method === "tools/call").length;
    const reached = calls();
    const from = desk.records.length;
    await agent.workWithOpenAI("gpt-4o", TASKS.confused);
    assert.equal(calls(), reached, "no call was to reach payments");
    assert.equal(data.account.balance_cents, before, "no money was to move");
    const codes = desk.records.slice(from).flatMap(({ code }) => code ?? []);
    if (isScripted)
      assert.deepEqual(codes.sort(), ["arguments_invalid", "arguments_invalid", "policy_denied"]);
    tell("the balance has not changed");
    await agent.close();
  },
};

const approved: Chapter = {
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

const outage: Chapter = {
  title: "The PDP is killed in the middle of a run, and comes back",
  async play(desk, tell) {
    const agent = await refundBot(desk, TIER_1);
    assert.equal(await agent.open("payments"), undefined);
    const spent = desk.provider.requests.length;
    const asked = desk.servers.payments.httpRequests;

    await desk.killPdp();
    tell("the PDP is dead");
    const [model, tool] = await Promise.all([
      agent.workWithOpenAI("gpt-4o", TASKS.ping).catch((error: unknown) => error),
      agent.call("balance_get", {}),
    ]);
    assert.equal(findDenial(model)?.code, "pdp_unavailable");
    assert.match(tool, /"code":"pdp_unavailable"/);
    assert.equal(desk.provider.requests.length, spent, "nothing was to be spent");
    assert.equal(desk.servers.payments.httpRequests, asked, "payments was not to be asked");

    await desk.restartPdp();
    tell("the PDP is back; the same session goes on");
    await agent.workWithOpenAI("gpt-4o", TASKS.ping);
    assert.match(await agent.call("balance_get", {}), /balance_cents/);
    await agent.close();
  },
};

export const STORY: readonly Chapter[] = [triage, smallRefund, largeRefund, confused, approved, outage];

function last(desk: SupportDesk, action: string): AuditRecord | undefined {
  return desk.records.findLast((record) => record.hop.action === action);
}
