import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Guard } from "hopguard";
import { revocationHandler } from "hopguard/revocations";
import { serve } from "../shared/serve";

/** What `npx hopguard` runs, before it is built. */
const CLI = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The kill switch as the security team has it: a handler beside the guard, and the command line in a process of its own. */
export interface KillSwitch {
  /** Runs `npx hopguard` with these arguments, and answers with what it says. @throws when it fails. */
  readonly hopguard: (args: readonly string[]) => Promise<string>;
  stop(): Promise<void>;
}

export async function mountKillSwitch(guard: Guard): Promise<KillSwitch> {
  const secret = randomBytes(32).toString("base64");
  const server = await serve(revocationHandler(guard, { authorize: secret }));
  const env = {
    ...process.env,
    HOPGUARD_REDIS: undefined,
    HOPGUARD_URL: `${server.url}/revocations`,
    HOPGUARD_SECRET: secret,
  };
  return {
    hopguard: async (args) => {
      const command = ["--import", "tsx", CLI, ...args];
      const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: ROOT, env });
      return stdout.trim();
    },
    stop: () => server.stop(),
  };
}
