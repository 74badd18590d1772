import assert from "node:assert/strict";
import type { Session } from "hopguard";
import { openServer } from "../agent";
import { refused, takeUp, type Scene } from "../scene";
import { AUDITOR, EXECUTOR, ONE_REFUND, PLANNER, readsOf } from "../work";
import type { Work } from "./work";

const READS = [readsOf("P-9001")];

/** An executor that may hand on, and what it has handed to an auditor. */
export interface Chain {
  readonly token: string;
  readonly executor: Session;
  readonly auditor: Pick<Work, "payments">;
}

/** The executor tries to hand on what it was not to, and then hands on what it may. */
export async function tryToHandOn(scene: Scene, planner: Session, { session }: Work): Promise<Chain> {
  const toAuditor = { to: AUDITOR, authorization_details: READS };
  await refused(scene, "delegation_invalid", "handing on, which was not granted", () =>
    session.delegate(toAuditor),
  );

  const mayDelegate = { to: EXECUTOR, authorization_details: READS, mayDelegate: true, expiresIn: 600 };
  const token = await (await planner.delegate(mayDelegate)).delegationToken();
  const executor = await takeUp(scene, token);
  scene.tell("now the executor may look at one payment, and hand that on");
  for (const [what, wider] of [
    ["handing on a look at another payment", { authorization_details: [readsOf("P-9002")] }],
    ["handing on a refund", { authorization_details: ONE_REFUND }],
    [
      "handing on every tool",
      { authorization_details: [{ type: "mcp_payments", actions: ["tools/call/*"] }] },
    ],
    ["handing on for longer than it has itself", { expiresIn: 6000 }],
    ["handing on with room for a longer chain", { maxDepth: 4 }],
    ["handing back to the planner", { to: PLANNER }],
    ["handing to itself", { to: EXECUTOR }],
  ] as const)
    await refused(scene, "delegation_invalid", what, () => executor.delegate({ ...toAuditor, ...wider }));

  return { token, executor, auditor: await handOnLess(scene, executor) };
}

/** What a grant leaves out is not unlimited: the limits above it hold. */
async function handOnLess(scene: Scene, executor: Session): Promise<Chain["auditor"]> {
  const unlimited = [{ type: "mcp_payments", actions: ["tools/call/payment_get"] }];
  const session = await executor.delegate({ to: AUDITOR, authorization_details: unlimited });
  const payments = await openServer(scene.stage, session, "payments");
  assert.match((await payments.call("payment_get", { payment_id: "P-9001" })).text, /P-9001/);
  scene.tell("the auditor looks at the payment that the executor may look at");
  await refused(scene, "delegation_invalid", "another one, for the auditor", () =>
    payments.call("payment_get", { payment_id: "P-9002" }),
  );
  return { payments };
}
