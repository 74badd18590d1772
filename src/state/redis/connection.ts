import { within } from "../../core/deadline";
import { ConfigurationError } from "../../core/errors";
import { answeredCode, type Connection, type Inspection, type RedisClient } from "./client";

/** What is used of the package `redis`. */
interface Client extends RedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  close(): Promise<void>;
  destroy(): void;
}

/**
 * A connection of our own, opened by the first command and anew by the first after a failure: a server that is away denies at once, and one that
 * is back is used at once. Nothing is queued meanwhile, and nothing is sent twice: a correction of what was used must not count double.
 */
export function connection(url: string, timeoutMs: number, inspect: Inspection): Connection {
  let current: Promise<Client> | undefined;
  let isClosed = false;
  // The first hop may not wait for as long as this takes. Who sends a command hears of a failure.
  const library = load();
  library.catch(() => undefined);

  const forget = (opened: Promise<Client>): void => {
    if (current === opened) current = undefined;
  };
  const open = (): Promise<Client> => {
    const opened: Promise<Client> = library.then(async ({ createClient }) => {
      const socket = { connectTimeout: timeoutMs, reconnectStrategy: false } as const;
      const client = createClient({ url, disableOfflineQueue: true, socket });
      client.on("error", () => forget(opened));
      try {
        await within(timeoutMs, "connecting to Redis", client.connect());
        await within(timeoutMs, "looking at Redis' configuration", inspect(client));
        return client;
      } catch (error) {
        forget(opened);
        destroy(client);
        throw error;
      }
    });
    return opened;
  };

  return {
    async sendCommand(args) {
      if (isClosed) throw new Error("this state was closed");
      const opened = (current ??= open());
      const client = await opened;
      try {
        return await within(timeoutMs, "Redis", client.sendCommand(args));
      } catch (error) {
        const code = answeredCode(error);
        // A server that was made a replica answers still, and another is the primary now.
        if (code === undefined || code === "READONLY") {
          forget(opened);
          destroy(client);
        }
        throw error;
      }
    },
    async close() {
      isClosed = true;
      const client = await current?.catch(() => undefined);
      if (!client?.isReady) return;
      // What is under way is answered first, such as the settlement of the last call.
      await Promise.resolve(within(timeoutMs, "closing", client.close())).catch(() => destroy(client));
    },
  };
}

function destroy(client: Client): void {
  if (client.isOpen) client.destroy();
}

async function load() {
  try {
    return await import("redis");
  } catch (cause) {
    throw new ConfigurationError("redisState: the package redis is not there. Install it, or give a client", {
      cause,
    });
  }
}
