import { askModel, openServer } from "../agent";
import { refused, type Scene } from "../scene";
import { REFUND, WORK } from "../work";
import type { Work } from "./work";

/** The user may do all of this. The executor was not handed it. */
export async function tryForMore(scene: Scene, { session, payments }: Work): Promise<void> {
  const { stage } = scene;
  await refused(scene, "delegation_invalid", "one cent more", () =>
    payments.call("refund_issue", { ...REFUND, amount_cents: 5001 }),
  );
  await refused(scene, "delegation_invalid", "another ticket", () =>
    payments.call("refund_issue", { ...REFUND, ticket_id: "T-1002", payment_id: "P-9002" }),
  );
  await refused(scene, "delegation_invalid", "a look at another payment", () =>
    payments.call("payment_get", { payment_id: "P-9002" }),
  );
  await refused(scene, "delegation_invalid", "another tool", () => payments.call("balance_get", {}));
  await refused(scene, "delegation_invalid", "another server", () => openServer(stage, session, "tickets"));
  await refused(scene, "delegation_invalid", "another model", () => askModel(stage, session, "gpt-4o", WORK));
}
