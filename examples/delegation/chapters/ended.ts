import assert from "node:assert/strict";
import type { Session } from "hopguard";
import { openServer, type OpenServer } from "../agent";
import { refused, takeUp, type Scene } from "../scene";
import { EXECUTOR, LEAD, readsOf } from "../work";
import type { Chain } from "./onward";
import type { Work } from "./work";

const PAYMENT = { payment_id: "P-9001" };

/** Authority that was there a moment ago. */
export async function tryWhatHasEnded(
  scene: Scene,
  planner: Session,
  work: Work,
  { executor, auditor }: Chain,
): Promise<void> {
  const { stage, tell } = scene;
  const aMinute = { to: EXECUTOR, authorization_details: [readsOf("P-9001")], expiresIn: 60 };
  const token = await (await planner.delegate(aMinute)).delegationToken();
  const payments = await openServer(stage, await takeUp(scene, token), "payments");
  await looksAt(payments);
  stage.wait(61);
  tell("a minute later");
  await refused(scene, "delegation_invalid", "a call", () => payments.call("payment_get", PAYMENT));
  await refused(scene, "delegation_invalid", "taking it up again", () => takeUp(scene, token));

  await looksAt(auditor.payments);
  await stage.planner.revoke({ delegation: String(executor.delegation) });
  tell("what the executor may hand on is revoked, where the planner runs");
  const hop = { kind: "mcp_payments", action: "tools/call/payment_get", attr: { arguments: PAYMENT } };
  await refused(scene, "revoked", "a call of the executor", () => executor.authorize(hop));
  await refused(scene, "revoked", "a call of the auditor, below it", () =>
    auditor.payments.call("payment_get", PAYMENT),
  );
  await looksAt(work.payments);
  tell("its other delegation stands");

  await stage.planner.revoke({ principal: LEAD.id });
  tell("the user's authority is revoked");
  await refused(scene, "revoked", "a call of the executor", () => work.payments.call("payment_get", PAYMENT));
  await refused(scene, "revoked", "a delegation of the planner", () => planner.delegate(aMinute));
}

/** The payment is shown: so far, authority is there. */
async function looksAt(payments: OpenServer): Promise<void> {
  assert.match((await payments.call("payment_get", PAYMENT)).text, /paid_cents/);
}
