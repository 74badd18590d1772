import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What the processes share. */
export interface WorkerOptions {
  readonly redis: string;
  readonly namespace: string;
  /** Where a Cerbos PDP is. Without it a scripted one compares the task's tokens with its limit. */
  readonly pdp?: string;
}

export type Order =
  | {
      readonly order: "hops";
      readonly task: string;
      /** Tokens that the policy lets the task use up. */
      readonly limit: number;
      readonly count: number;
      readonly atOnce: number;
      /** What each hop reserves. */
      readonly tokens: number;
      /** What each has used in the end: all that it had reserved, or a random part of it, which is settled. */
      readonly used: "all" | "part";
      readonly session?: string;
    }
  | { readonly order: "revoke"; readonly task: string }
  | { readonly order: "close" };

/** How one hop went. */
export interface HopResult {
  /** Milliseconds on the clock that all processes share. */
  readonly startedAt: number;
  readonly ms: number;
  /** `allow`, or the denial's. */
  readonly code: string;
  /** What it has used. */
  readonly tokens: number;
}

/** A process with a guard of its own. */
export interface HopWorker {
  hops(order: Omit<Order & { order: "hops" }, "order">): Promise<readonly HopResult[]>;
  /** Resolves to the moment at which `guard.revoke` had resolved, on the clock that all processes share. */
  revoke(task: string): Promise<number>;
  close(): Promise<void>;
}

/** Starts so many processes, and resolves when they are ready. */
export function startHopWorkers(count: number, options: WorkerOptions): Promise<readonly HopWorker[]> {
  return Promise.all(Array.from({ length: count }, () => startHopWorker(options)));
}

async function startHopWorker(options: WorkerOptions): Promise<HopWorker> {
  const child = fork(fileURLToPath(new URL("hop-worker.ts", import.meta.url)), {
    execArgv: ["--import", "tsx"],
    env: { ...process.env, HOP_WORKER: JSON.stringify(options) },
  });
  const exited = once(child, "exit");
  await Promise.race([
    once(child, "message"),
    exited.then(() => Promise.reject(new Error("a process did not start"))),
  ]);
  const ask = asker(child);
  return {
    hops: async (order) => (await ask({ ...order, order: "hops" })) as readonly HopResult[],
    revoke: async (task) => (await ask({ order: "revoke", task })) as number,
    close: async () => {
      child.send({ id: 0, order: { order: "close" } });
      await exited;
    },
  };
}

function asker(child: ChildProcess): (order: Order) => Promise<unknown> {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let lastId = 0;
  child.on("message", ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(value);
    else asked?.reject(new Error(error));
  });
  child.on("exit", () => {
    for (const asked of waiting.values()) asked.reject(new Error("the process has ended"));
  });
  return (order) =>
    new Promise((resolve, reject) => {
      waiting.set(++lastId, { resolve, reject });
      child.send({ id: lastId, order });
    });
}
