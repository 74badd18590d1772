import type { Authority, Revocation, RevocationTarget, TaskStore } from "../core/ports";
import { ExpiringMap } from "./expiring-map";
import { fieldOf, fieldsOf, instant } from "./revoked-entries";

/** What stands, with its instants in milliseconds since 1970. */
interface Entry {
  readonly revocation: Revocation;
  readonly issuedBefore: number;
  readonly till: number;
}

/** Revocations and tasks in memory. Both answer at once. */
export function memoryRevocations() {
  const revoked = new ExpiringMap<Entry>();
  const tasks = new ExpiringMap<true>();

  const find = ({ targets, issuedAt = -Infinity, task }: Authority): Revocation | undefined => {
    if (revoked.size > 0)
      for (const field of targets.flatMap(fieldsOf)) {
        const entry = revoked.get(field);
        // Said so that what was issued at no time is reached, too.
        if (entry && (entry.issuedBefore === Infinity || !(issuedAt >= entry.issuedBefore)))
          return entry.revocation;
      }
    if (task === undefined || tasks.get(task)) return undefined;
    return { target: { task }, reason: "the task is not registered", at: new Date().toISOString() };
  };

  return {
    revocations: {
      find,
      revoke(revocation: Revocation): void {
        const field = fieldOf(revocation);
        const entry = farther(entryOf(revocation), revoked.get(field));
        revoked.set(field, entry, entry.till);
      },
      restore(target: RevocationTarget): void {
        for (const field of fieldsOf(target)) revoked.delete(field);
      },
      list: (): readonly Revocation[] =>
        revoked
          .values()
          .map(({ revocation }) => revocation)
          .sort((a, b) => b.at.localeCompare(a.at)),
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

function entryOf(revocation: Revocation): Entry {
  const { issued_before, expires_at } = revocation;
  return {
    revocation,
    issuedBefore: issued_before === undefined ? Infinity : instant(issued_before),
    till: expires_at === undefined ? Infinity : instant(expires_at),
  };
}

/** The given one, reaching as far as the one that stands already: only restoring takes anything back. */
function farther(given: Entry, standing: Entry | undefined): Entry {
  if (!standing) return given;
  const issuedBefore = Math.max(given.issuedBefore, standing.issuedBefore);
  const till = Math.max(given.till, standing.till);
  const { issued_before: _before, expires_at: _till, ...rest } = given.revocation;
  return {
    revocation: {
      ...rest,
      ...(issuedBefore !== Infinity && { issued_before: new Date(issuedBefore).toISOString() }),
      ...(till !== Infinity && { expires_at: new Date(till).toISOString() }),
    },
    issuedBefore,
    till,
  };
}
