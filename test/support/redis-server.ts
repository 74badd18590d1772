import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";

/** A real server with a folder of its own, which outlives being killed and started again. */
export interface RedisServer {
  readonly url: string;
  /** Kills the server as a crash would. What it has acknowledged is in its append-only file. */
  kill(): Promise<void>;
  /** Starts it again in the same place. */
  start(): Promise<void>;
  /** Stops the process from running, or lets it run on: the connections stay open. */
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  /** Sends one command, as an operator would by hand. */
  command(...args: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

const BINARIES = [process.env.REDIS_SERVER, "redis-server", "valkey-server"];

/** The executable, or undefined where there is none; with `CI_REQUIRE_REDIS=1` that is a failure. */
export function redisBinary(): string | undefined {
  const found = BINARIES.find((binary) => binary !== undefined && runs(binary));
  if (found === undefined) {
    const hint = "there is no redis-server here: `apt-get install redis-server`, or set REDIS_SERVER to one";
    if (process.env.CI_REQUIRE_REDIS === "1") throw new Error(hint);
    console.warn(`Tests against Redis are skipped: ${hint}`);
  }
  return found;
}

function runs(binary: string): boolean {
  try {
    execFileSync(binary, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A test that ends in the middle leaves none behind. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const server of running) server.kill("SIGKILL");
});

/** Starts a server on loopback. `settings` are lines of its configuration, as in `["maxmemory-policy", "allkeys-lru"]`. */
export async function startRedis(
  binary: string,
  settings: readonly (readonly [string, string])[] = [],
): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "hopguard-redis-"));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  const options: readonly (readonly [string, string])[] = [
    ["bind", "127.0.0.1"],
    ["port", String(port)],
    ["dir", folder],
    ["save", ""],
    ["appendonly", "yes"],
    ...settings,
  ];
  let server: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const args = options.flatMap(([name, value]) => [`--${name}`, value]);
    server = spawn(binary, args, { stdio: "ignore" });
    running.add(server);
    await untilReady(url, server);
  };
  const kill = async (): Promise<void> => {
    if (server?.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill("SIGKILL");
    await exited;
    running.delete(server);
  };
  const stop = async (): Promise<void> => {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    kill,
    start,
    signal: (name) => server?.kill(name),
    command: async (...args) => {
      const client = createClient({ url });
      await client.connect();
      try {
        return await client.sendCommand(args);
      } finally {
        client.destroy();
      }
    },
    stop,
  };
}

async function untilReady(url: string, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const client = createClient({ url, socket: { reconnectStrategy: false } });
    client.on("error", () => undefined);
    try {
      await client.connect();
      // Answers with an error until what is on the disk has been read.
      await client.ping();
      client.destroy();
      return;
    } catch (error) {
      if (client.isOpen) client.destroy();
      if (server.exitCode !== null) throw new Error("redis-server ended", { cause: error });
      if (Date.now() > deadline) throw new Error("redis-server did not answer", { cause: error });
      await sleep(20);
    }
  }
}

async function freePort(): Promise<number> {
  const socket = createServer().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address() as AddressInfo;
  socket.close();
  await once(socket, "close");
  return port;
}
