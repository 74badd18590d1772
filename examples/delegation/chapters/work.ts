import assert from "node:assert/strict";
import type { Session } from "hopguard";
import { askModel, openServer, type OpenServer } from "../agent";
import { refused, takeUp, type Scene } from "../scene";
import { EXECUTOR, LEAD, ONE_REFUND, PLANNER, REFUND, TASK, WORK } from "../work";

/** The user sets a planner to work. */
export async function beginWork({ stage, tell }: Scene): Promise<Session> {
  const planner = await stage.planner.session({ principal: LEAD, agent: PLANNER, task: TASK });
  const tickets = await openServer(stage, planner, "tickets");
  const { text } = await tickets.call("ticket_get", { ticket_id: TASK.id });
  tell(`the ticket says: “${(JSON.parse(text) as { readonly subject: string }).subject}”`);
  return planner;
}

/** What the executor works with. */
export interface Work {
  readonly token: string;
  readonly session: Session;
  readonly payments: OpenServer;
}

/** The planner hands on one refund, by a token. */
export async function handOn(scene: Scene, planner: Session): Promise<Work> {
  const handed = await planner.delegate({ to: EXECUTOR, authorization_details: ONE_REFUND, expiresIn: 600 });
  const token = await handed.delegationToken();
  scene.tell(`the executor is sent a token of ${token.length} characters, for 10 minutes`);

  const session = await takeUp(scene, token);
  assert.equal(session.agent, EXECUTOR.id);
  assert.equal(session.id, planner.id, "it counts and is revoked with the session that it works for");
  const payments = await openServer(scene.stage, session, "payments");
  assert.deepEqual(payments.tools, ["payment_get", "refund_issue"], "it is shown what it was handed");
  return { token, session, payments };
}

/** The executor does what it was handed, once. */
export async function doWork(scene: Scene, { session, payments }: Work): Promise<void> {
  const { stage, tell } = scene;
  const { account } = stage.servers.desk;
  const before = account.balance_cents;
  const call = await askModel(stage, session, "gpt-4o-mini", WORK);
  await payments.call(call.name, call.arguments);
  assert.equal(before - account.balance_cents, REFUND.amount_cents);

  const record = stage.records.findLast(({ hop }) => hop.action === "tools/call/refund_issue");
  assert.deepEqual([record?.subject.id, record?.agent.id, record?.chain], [LEAD.id, "executor", ["planner"]]);
  tell("50 dollars are refunded; the record names the user, the executor, and the planner between them");
  // It is within the grant. How many there may be is the policy's to say; it counts them over the whole chain.
  await refused(scene, "policy_denied", "the same refund again", () => payments.call("refund_issue", REFUND));
}
