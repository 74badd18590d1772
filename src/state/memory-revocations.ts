import type { Authority, Revocation, RevocationTarget, TaskStore } from "../core/ports";

/** Revocations and tasks in memory. Both answer at once. */
export function memoryRevocations() {
  const revoked = new Map<string, Revocation>();
  /** When each task ends, in milliseconds since 1970. */
  const tasks = new Map<string, number>();
  const key = (target: RevocationTarget): string => JSON.stringify(Object.entries(target)[0]);
  const stands = ({ expires_at }: Revocation): boolean =>
    expires_at === undefined || Date.parse(expires_at) > Date.now();

  const find = ({ targets, task }: Authority): Revocation | undefined => {
    if (revoked.size > 0) {
      const found = targets.map((target) => revoked.get(key(target))).find((entry) => entry && stands(entry));
      if (found) return found;
    }
    const isLive = task === undefined || (tasks.get(task) ?? 0) > Date.now();
    if (isLive) return undefined;
    return { target: { task }, reason: "the task is not registered", at: new Date().toISOString() };
  };
  const forgetExpired = (): void => {
    for (const [key, revocation] of revoked) if (!stands(revocation)) revoked.delete(key);
  };

  return {
    revocations: {
      find,
      revoke(revocation: Revocation): void {
        forgetExpired();
        revoked.set(key(revocation.target), revocation);
      },
      restore(target: RevocationTarget): void {
        revoked.delete(key(target));
      },
      list(): readonly Revocation[] {
        forgetExpired();
        return [...revoked.values()].sort((a, b) => b.at.localeCompare(a.at));
      },
    },
    tasks: {
      register(id, expiresAt = Infinity) {
        tasks.set(id, expiresAt);
      },
      end(id) {
        tasks.delete(id);
      },
    } satisfies TaskStore,
  };
}
