import { newRevocation, parseTarget } from "../core/revocation";
import { redisState } from "../state/redis";
import type { Revocation, RevocationDetails, RevocationTarget } from "../index";
import { overHttp } from "./over-http";

/** Where the guards are told: at a `revocationHandler`, or in the Redis that they share. */
export type Place =
  | { readonly url: string; readonly secret: string }
  | { readonly redis: string; readonly namespace?: string | undefined };

/** Each resolves when it is done and proven, and rejects otherwise. */
export interface KillSwitch {
  revoke(target: RevocationTarget, details: RevocationDetails): Promise<void>;
  restore(target: RevocationTarget): Promise<void>;
  list(): Promise<readonly Revocation[]>;
}

/** Opens the kill switch, uses it, and lets go of it. */
export async function withKillSwitch<T>(
  place: Place,
  use: (killSwitch: KillSwitch) => Promise<T>,
): Promise<T> {
  if ("url" in place) return use(overHttp(place));
  const { redis: url, namespace } = place;
  const state = redisState({ url, ...(namespace !== undefined && { namespace }) });
  const { revocations } = state;
  try {
    return await use({
      revoke: async (target, details) => revocations.revoke(newRevocation(target, details, new Date())),
      restore: async (target) => revocations.restore(parseTarget(target, "restore")),
      list: async () => revocations.list(),
    });
  } finally {
    await state.close();
  }
}
