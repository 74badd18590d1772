import assert from "node:assert/strict";
import { findDenial } from "hopguard";
import { isScripted } from "../models";
import { TASKS } from "../tasks";
import { triageBot, type Chapter } from "./chapter";

export const triage: Chapter = {
  title: "Triage works by itself, on the small model, and sees tickets and customers only",
  async play(desk, tell) {
    const agent = await triageBot(desk);
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
