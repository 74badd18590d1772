import assert from "node:assert/strict";
import { ADA, BEN, loggedIn } from "../caller";
import { reached, refused, type Scene } from "../scene";

const forbidden = { status: 403, code: "policy_denied" } as const;

/** A route of the application's own, decided by the same PDP. */
export async function refundPayments(scene: Scene): Promise<void> {
  const { stage, tell } = scene;
  const [ben, ada] = await Promise.all([loggedIn(stage, BEN), loggedIn(stage, ADA)]);
  const { status } = await ben.refund("P-9001", 4000);
  assert.deepEqual([status, reached(stage)[1]], [201, 4000]);
  tell("Ben gives 40 dollars back: 201, and the ledger says so");

  const beyond = await refused(scene, "90 dollars", forbidden, () => ben.refund("P-9001", 9000));
  assert.equal(beyond.headers.get("content-type"), "application/problem+json");
  assert.deepEqual(beyond.denial?.remediation, { type: "step_up", approvers_role: "lead" });
  await refused(scene, "all of what is left of a lamp, and a cent", forbidden, () =>
    ben.refund("P-9002", 8901),
  );
  await refused(scene, "a payment that there is not", forbidden, () => ben.refund("P-1", 1));
  await refused(scene, "an amount in quotes", { status: 400 }, () => ben.refund("P-9001", "4000"));

  assert.equal((await ada.refund("P-9001", 9000)).status, 201);
  assert.equal(reached(stage)[1], 13_000);
  tell("Ada gives the 90 dollars back");
}
