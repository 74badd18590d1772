import type { Authority, RevocationStore, TaskStore } from "../../core/ports";
import { fieldOf, fieldsOf } from "../revoked-entries";
import type { RedisClient } from "./client";
import { entryOf } from "./entries";
import type { Keys } from "./keys";
import { readRevocation, readRevocations } from "./replies";
import { run } from "./script";
import { scripts } from "./scripts";

/** Resolves when enough replicas have what was written last. */
export type Replication = (client: RedisClient) => Promise<void>;

/** Revocations: one hash, so that all that a hop's authority rests on is read at once. They are never evicted, and end only if they say when. */
export function redisRevocations(client: RedisClient, keys: Keys, replicated: Replication): RevocationStore {
  const { revoked, revokedUntil } = keys;
  return {
    async find(authority) {
      const { keys: taskKeys, input } = authorityInput(authority, keys);
      const reply = await run(client, scripts.find, [revoked, revokedUntil, ...taskKeys], input);
      return readRevocation(reply, authority.task);
    },
    async revoke(revocation) {
      await run(client, scripts.revoke, [revoked, revokedUntil], {
        field: fieldOf(revocation),
        entry: entryOf(revocation),
      });
      await replicated(client);
    },
    async restore(target) {
      await run(client, scripts.restore, [revoked, revokedUntil], { fields: fieldsOf(target) });
    },
    async list() {
      const standing = readRevocations(await run(client, scripts.list, [revoked, revokedUntil], {}));
      return standing.filter((entry) => entry !== undefined).sort((a, b) => b.at.localeCompare(a.at));
    },
  };
}

/** The tasks that are alive: a key each, which ends with the task. */
export function redisTasks(client: RedisClient, keys: Keys, replicated: Replication): TaskStore {
  return {
    async register(id, expiresAt) {
      await client.sendCommand(["SET", keys.task(id), "1", ...lifetime(expiresAt)]);
    },
    async end(id) {
      await client.sendCommand(["DEL", keys.task(id)]);
      await replicated(client);
    },
  };
}

/** What a script reads of an authority. The key of the task comes last. */
export function authorityInput({ targets, issuedAt, task }: Authority, keys: Keys) {
  return {
    keys: task === undefined ? [] : [keys.task(task)],
    input: { fields: targets.flatMap(fieldsOf), issued_at: issuedAt, task: task !== undefined },
  };
}

/** Relative: by a clock that is behind ours, a point in time would keep the task alive for longer than was meant. */
function lifetime(expiresAt: number | undefined): string[] {
  if (expiresAt === undefined) return [];
  const left = Math.ceil(expiresAt - Date.now());
  return left > 0 ? ["PX", String(left)] : ["PXAT", "1"];
}
