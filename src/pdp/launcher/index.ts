/**
 * A Cerbos PDP for development, tests and single machines: the real binary on loopback, which lives no longer than the
 * process that started it.
 *
 * @module hopguard/pdp
 */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pdpConfig } from "./config";
import { diagnose } from "./diagnosis";
import { PdpStartError, PortTakenError } from "./errors";
import { openLog } from "./log";
import { readOptions, type Settings, type StartPdpOptions } from "./options";
import { claimPort } from "./port";
import { untilReady } from "./readiness";
import { supervise } from "./supervised";

export { PdpStartError } from "./errors";
export type { StartPdpOptions } from "./options";

const ATTEMPTS = 5;

/** A PDP that runs on this machine until it is stopped, or until this process ends, whichever is first. */
export interface LocalPdp {
  /** Where it answers, for `cerbos(url)`. */
  readonly url: string;
  /** Where it answers by gRPC, for a client of `@cerbos/grpc`: a socket that only this user can open. */
  readonly grpcAddress: string;
  /** The process id of the PDP itself. */
  readonly pid: number;
  /** Kills the PDP; resolves when it is gone and its temporary files with it. May be called again. */
  readonly stop: () => Promise<void>;
  /** The same as `stop()`, for `await using`. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/**
 * Starts a Cerbos PDP on 127.0.0.1 and resolves when it answers. It sends no telemetry, keeps no audit log, inherits no
 * secrets, and does not keep this process alive.
 *
 * @throws {ConfigurationError} when an option is wrong or names what is not there; the message names it.
 * @throws {PdpStartError} when the policies do not compile (the message has file and line), the port is taken, or the
 *   PDP ends or does not answer in time. Nothing is left behind.
 */
export async function startPdp(options: StartPdpOptions): Promise<LocalPdp> {
  const settings = await readOptions(options);
  settings.signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(settings.startTimeoutMs);
  const signal = settings.signal ? AbortSignal.any([settings.signal, timeout]) : timeout;
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(settings, await claimPort(settings.port), signal);
    } catch (error) {
      settings.signal?.throwIfAborted();
      const again = error instanceof PortTakenError && settings.port === undefined && attempt < ATTEMPTS;
      if (!again) throw error;
    }
  }
}

async function launch(settings: Settings, port: number, signal: AbortSignal): Promise<LocalPdp> {
  const log = await openLog(settings.log);
  const folder = await mkdtemp(join(tmpdir(), "hopguard-pdp-"));
  const endpoint = { port, origin: `http://${randomUUID()}.invalid` };
  const config = join(folder, "cerbos.yaml");
  await writeFile(config, pdpConfig(settings, endpoint));

  // Each request is two lines of information, which nobody reads unless there is a log.
  const level = settings.log === undefined ? "warn" : "info";
  const command = [settings.binary, "server", `--config=${config}`, `--log-level=${level}`];
  const pdp = supervise(command, folder, (line) => log.write(line));
  void pdp.ended.then(() => log.close());

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= pdp.kill().then(() => rm(folder, { recursive: true, force: true }));
    return stopping;
  };

  const polling = new AbortController();
  try {
    const ready = untilReady(endpoint, AbortSignal.any([signal, polling.signal]));
    const ended = await Promise.race([ready, pdp.ended]);
    if (ended !== undefined) throw await diagnose(settings, { ended, log: log.tail(), signal });
  } catch (error) {
    await stop();
    if (!signal.aborted) throw error;
    const message = `The PDP ${settings.binary} did not answer within ${settings.startTimeoutMs} ms:\n${log.tail()}`;
    throw new PdpStartError(message, { log: log.tail(), cause: error });
  } finally {
    polling.abort();
  }

  pdp.unref();
  return {
    url: `http://127.0.0.1:${port}`,
    grpcAddress: `unix:${join(folder, "grpc.sock")}`,
    pid: pdp.pid,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
