import assert from "node:assert/strict";
import { findDenial } from "hopguard";
import { TIER_1 } from "../people";
import { TASKS } from "../tasks";
import { refundBot, type Chapter } from "./chapter";

export const outage: Chapter = {
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
