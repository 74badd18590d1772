import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { AuditRecord, DelegateOptions, Hop } from "hopguard";
import type { DelegationTokensOptions } from "hopguard/identity";

/** What the processes share. */
export interface WorkerOptions {
  readonly redis: string;
  readonly namespace: string;
  readonly pdp: string;
  readonly tokens: DelegationTokensOptions;
}

export type Order =
  | { readonly order: "take"; readonly token: string; readonly agent: string }
  | { readonly order: "check"; readonly hop: Hop; readonly times: number }
  | { readonly order: "delegate"; readonly options: DelegateOptions }
  | { readonly order: "end" }
  | { readonly order: "close" };

/** What came of an order, as far as it is about that. */
export interface WorkerResult {
  readonly session?: string;
  readonly agent?: string;
  readonly delegation?: string | undefined;
  readonly codes?: readonly string[];
  /** The last one of the process. */
  readonly record?: AuditRecord | undefined;
  readonly token?: string;
}

/** A process in which one agent works. */
export interface DelegationWorker {
  /** Rejects with what went wrong there. One order at a time. */
  follow(order: Order): Promise<WorkerResult>;
  close(): Promise<void>;
}

export async function startDelegationWorker(options: WorkerOptions): Promise<DelegationWorker> {
  const child = fork(fileURLToPath(new URL("delegation-worker.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
    env: { ...process.env, DELEGATION_WORKER: JSON.stringify(options) },
  });
  const exited = once(child, "exit").then(() => Promise.reject(new Error("the process has ended")));
  exited.catch(() => undefined);
  await Promise.race([once(child, "message"), exited]);
  const follow = async (order: Order): Promise<WorkerResult> => {
    const answered = once(child, "message");
    child.send({ id: 1, order });
    const [{ value, error }] = (await Promise.race([answered, exited])) as [
      { value?: WorkerResult; error?: string },
    ];
    if (error !== undefined) throw new Error(error);
    return value ?? {};
  };
  return {
    follow,
    close: async () => {
      child.send({ id: 0, order: { order: "close" } });
      await exited.catch(() => undefined);
    },
  };
}
