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
  script: Script,
  keys: readonly string[],
  input: unknown,
): Promise<unknown> {
  try {
    return await client.sendCommand(["EVALSHA", script.sha1, ...rest(keys, input)]);
  } catch (error) {
    // The script has not been run then: nothing is counted twice.
    if (answeredCode(error) !== "NOSCRIPT") throw error;
    return runWhole(client, script, keys, input);
  }
}

/** Runs a script by its text, in one command: what is sent after it is run after it. */
export function runWhole(
  client: RedisClient,
  { source }: Script,
  keys: readonly string[],
  input: unknown,
): Promise<unknown> {
  return client.sendCommand(["EVAL", source, ...rest(keys, input)]);
}

const rest = (keys: readonly string[], input: unknown): string[] => [
  String(keys.length),
  ...keys,
  JSON.stringify(input),
];
