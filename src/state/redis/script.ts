import { createHash } from "node:crypto";
import { answeredCode, type RedisClient } from "./client";

/** A script that Redis runs as one step. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

export function script(source: string): Script {
  return { source, sha1: createHash("sha1").update(source).digest("hex") };
}

/** Runs a script by its digest, and sends the text to a server that does not know it: after a restart none does. */
export async function run(
  client: RedisClient,
  { source, sha1 }: Script,
  keys: readonly string[],
  input: unknown,
): Promise<unknown> {
  const rest = [String(keys.length), ...keys, JSON.stringify(input)];
  try {
    return await client.sendCommand(["EVALSHA", sha1, ...rest]);
  } catch (error) {
    // The script has not been run then: nothing is counted twice.
    if (answeredCode(error) !== "NOSCRIPT") throw error;
    return client.sendCommand(["EVAL", source, ...rest]);
  }
}
