import type { Authority, Revocation, RevocationTarget, TaskStore } from "../core/ports";
import { ExpiringMap } from "./expiring-map";

/** Revocations and tasks in memory. Both answer at once. */
export function memoryRevocations() {
  const revoked = new ExpiringMap<Revocation>();
  const tasks = new ExpiringMap<true>();
  const key = (target: RevocationTarget): string => JSON.stringify(Object.entries(target)[0]);

  const find = ({ targets, task }: Authority): Revocation | undefined => {
    if (revoked.size > 0) {
      const found = targets.map((target) => revoked.get(key(target))).find((entry) => entry !== undefined);
      if (found) return found;
    }
    if (task === undefined || tasks.get(task)) return undefined;
    return { target: { task }, reason: "the task is not registered", at: new Date().toISOString() };
  };

  return {
    revocations: {
      find,
      revoke(revocation: Revocation): void {
        const { target, expires_at } = revocation;
        revoked.set(key(target), revocation, expires_at === undefined ? Infinity : Date.parse(expires_at));
      },
      restore(target: RevocationTarget): void {
        revoked.delete(key(target));
      },
      list: (): readonly Revocation[] => revoked.values().toSorted((a, b) => b.at.localeCompare(a.at)),
    },
    tasks: {
      register(id, expiresAt = Infinity) {
        tasks.set(id, true, expiresAt);
      },
      end(id) {
        tasks.delete(id);
      },
    } satisfies TaskStore,
  };
}
