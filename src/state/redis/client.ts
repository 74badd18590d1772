/** What is needed of a client. One of `redis` (node-redis) has it; docs/several-processes.md shows the line that others take. */
export interface RedisClient {
  /** Sends one command. Resolves to the reply, or rejects; the message of an error that Redis has answered begins as Redis wrote it. */
  sendCommand(args: [name: string, ...args: string[]]): Promise<unknown>;
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

/** The code that an answer of Redis begins with that is an error, such as `NOSCRIPT`. What went wrong on the way has none. */
export function answeredCode(error: unknown): string | undefined {
  return error instanceof Error ? /^[A-Z]{2,}(?= )/.exec(error.message)?.[0] : undefined;
}
