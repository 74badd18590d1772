import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  openRefundScene,
  POLICIES,
  type RefundScene,
  type RefundSceneOptions,
} from "../support-desk/refund-scene";
import { scriptedModel } from "./script";

/** The scene of the desk's refunds, with a policy for handoffs beside the desk's own. */
export async function openScene({
  policies = POLICIES,
  ...options
}: Omit<RefundSceneOptions, "turn"> = {}): Promise<RefundScene> {
  const all = await mkdtemp(join(tmpdir(), "hopguard-policies-"));
  await cp(policies, all, { recursive: true });
  await cp(fileURLToPath(new URL("policies", import.meta.url)), all, { recursive: true });
  const scene = await openRefundScene({ ...options, policies: all, turn: scriptedModel });
  return {
    ...scene,
    stop: async () => {
      await scene.stop();
      await rm(all, { recursive: true });
    },
  };
}
