import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

/**
 * Becomes the PDP, after it has left a watcher in the same process group. The watcher waits for the end of the pipe that
 * only our process holds, which comes however that dies, SIGKILL included; then it removes the PDP's folder ($0) and
 * kills the group, itself and whatever the PDP has started with it.
 */
const SUPERVISOR = `
  exec 2>&1 3<&0
  (read -r _ <&3; rm -rf "$0"; kill -9 0) >/dev/null 2>&1 &
  exec "$@" 3<&- </dev/null
`;

/** What keeps our process alive; the pipes are sockets, which their types do not tell. */
type Handle = Pick<ChildProcess, "ref" | "unref">;

/** A process that does not outlive ours. */
export interface Supervised {
  /** NaN when it could not be started. */
  readonly pid: number;
  /** How it ended, in words. Never rejects. */
  readonly ended: Promise<string>;
  /** Lets our process exit, and so the other one with it, when there is nothing else to do. */
  unref(): void;
  /** Kills it, and resolves when it is gone. */
  kill(): Promise<void>;
}

/**
 * Runs a command in a folder of its own, without our environment: there are API keys in it, and variables with which
 * Cerbos would take its policies from elsewhere.
 */
export function supervise(
  command: readonly string[],
  folder: string,
  onLine: (line: string) => void,
): Supervised {
  const child = spawn("/bin/sh", ["-c", SUPERVISOR, folder, ...command], {
    cwd: folder,
    env: environment(),
    stdio: ["pipe", "pipe", "ignore"],
    // A group of its own for the watcher to kill; Ctrl-C then reaches the PDP through us, after our own clean-up.
    detached: true,
  });
  createInterface({ input: child.stdout }).on("line", onLine);
  const output = child.stdout as typeof child.stdout & Handle;
  const input = child.stdin as typeof child.stdin & Handle;

  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`was not run: ${error.message}`));
    child.once("close", (code, signal) =>
      resolve(signal === null ? `ended with exit code ${String(code)}` : `was ended by ${signal}`),
    );
  });

  return {
    pid: Number(child.pid),
    ended,
    unref() {
      for (const handle of [child, input, output]) handle.unref();
    },
    async kill() {
      // Or our process would exit while it waits.
      for (const handle of [child, output]) handle.ref();
      // At once: a PDP has nothing to lose. The end of its input makes the watcher go, too.
      child.kill("SIGKILL");
      input.destroy();
      await ended;
    },
  };
}

/** The whole environment of the PDP and its compiler. */
export function environment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, CERBOS_NO_TELEMETRY: "1" };
}
