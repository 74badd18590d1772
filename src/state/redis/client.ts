/**
 * What is needed of a client: it sends a command and resolves to the reply, or rejects with an error whose message begins as Redis' own does.
 * A client of `redis` (node-redis) is one. Of others it takes a line: `{ sendCommand: ([name, ...args]) => ioredis.call(name, ...args) }`.
 */
export interface RedisClient {
  sendCommand(args: readonly string[]): Promise<unknown>;
}

/** A client that may be closed. */
export interface Connection extends RedisClient {
  close(): Promise<void>;
}

/** Looks whether a server can be relied on, and rejects if not. */
export type Inspection = (client: RedisClient) => Promise<void>;

/** The user's own client. Its server is inspected before the first command, and again after an inspection that failed. */
export function givenClient(client: RedisClient, inspect: Inspection): Connection {
  let inspected: Promise<void> | undefined;
  return {
    sendCommand: async (args) => {
      inspected ??= inspect(client).catch((error: unknown) => {
        inspected = undefined;
        throw error;
      });
      await inspected;
      return client.sendCommand(args);
    },
    // Who opened it closes it.
    close: () => Promise.resolve(),
  };
}
