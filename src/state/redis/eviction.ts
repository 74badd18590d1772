import { ConfigurationError } from "../../core/errors";
import { answeredCode, type RedisClient } from "./client";

/**
 * A server that evicts keys when its memory is full forgets revocations: an agent that fills the memory would free itself.
 *
 * @throws {ConfigurationError} unless the server's `maxmemory-policy` is `noeviction`.
 */
export async function refuseEviction(client: RedisClient): Promise<void> {
  const policy = await evictionPolicy(client);
  if (policy === "noeviction") return;
  throw new ConfigurationError(
    policy === undefined
      ? "redisState: this Redis does not tell its maxmemory-policy. Make sure that it is noeviction, and say so with assumeNoEviction: true"
      : `redisState: maxmemory-policy is ${policy}, and would forget revocations when the memory is full. Set it to noeviction: CONFIG SET maxmemory-policy noeviction`,
  );
}

async function evictionPolicy(client: RedisClient): Promise<string | undefined> {
  try {
    const info = await client.sendCommand(["INFO", "memory"]);
    return /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1];
  } catch (error) {
    // The account may not ask. Everything else is a server that cannot be reached.
    if (answeredCode(error) === "NOPERM") return undefined;
    throw error;
  }
}
