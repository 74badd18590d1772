import * as z from "zod";
import { objectWith } from "../../core/option-types";
import { parseOptions } from "../../core/options";
import type { StateStore } from "../../core/ports";
import { isDecodable } from "../../core/text";
import { givenClient, type Inspection, type RedisClient } from "./client";
import { connection } from "./connection";
import { refuseEviction } from "./eviction";
import { keysOf } from "./keys";
import { redisRevocations, redisTasks, type Replication } from "./revocations";
import { redisSession } from "./session";

/** Which Redis, and how it is used. Exactly one of `url` and `client` is given. */
export interface RedisStateOptions {
  /**
   * `redis://`, `rediss://` (TLS) or `unix://`, with credentials and database where needed. The package `redis` is loaded for it. The connection is
   * opened by the first hop.
   */
  readonly url?: string;
  /**
   * A client of your own, connected and configured by you: with `disableOfflineQueue: true`, an `error` listener and a strategy to reconnect. It must
   * not send a command again whose answer it has missed (of ioredis: `autoResendUnfulfilledCommands: false`), or usage may be given back twice.
   * Of a cluster: `{ sendCommand: (args) => cluster.sendCommand("{hopguard}", false, args) }`, with the namespace in the braces.
   */
  readonly client?: RedisClient;
  /** What the names of all keys begin with, in braces. Default `hopguard`. Guards share state if they share a namespace. */
  readonly namespace?: string;
  /** Milliseconds after its last hop for which a session's counts are kept. Default 7 days. */
  readonly sessionTtlMs?: number;
  /** Milliseconds that Redis may take to answer before a connection by `url` is given up. Default 2000. A hop waits no longer than its guard says. */
  readonly timeoutMs?: number;
  /** Take it on trust that `maxmemory-policy` is `noeviction`, where Redis does not tell. Default false: each hop is denied then. */
  readonly assumeNoEviction?: boolean;
  /**
   * `revoke` and `endTask` resolve when so many replicas have it, and reject (the revocation stands nevertheless) when they do not have it in half of
   * `timeoutMs`. Default 0: what the primary has acknowledged may be lost when it fails at once.
   */
  readonly waitReplicas?: number;
}

/** State in Redis. */
export interface RedisState extends StateStore {
  /** Ends a connection by `url`; every later hop is denied. A client of yours is left open. */
  close(): Promise<void>;
}

const UNREADABLE =
  "cannot be read: after the host come a port up to 65535 and the number of a database, if any, and a password is percent-encoded";

/** As the client reads it, which would say so with the first hop only. A path to a socket is the file system's to judge. */
function isReadable(url: string): boolean {
  if (url.startsWith("unix:")) return true;
  if (!URL.canParse(url)) return false;
  const { pathname, username, password } = new URL(url);
  return /^\/?\d*$/.test(pathname) && isDecodable(username) && isDecodable(password);
}

const schema = z
  .strictObject({
    url: z
      .string()
      .regex(/^(rediss?|unix):\/\//, "expected redis://, rediss:// or unix://")
      .refine(isReadable, UNREADABLE)
      .optional(),
    client: objectWith<RedisClient>("sendCommand").optional(),
    namespace: z
      .string()
      .regex(/^[\w.:-]{1,100}$/, "expected letters, digits and _ . : -")
      .default("hopguard"),
    sessionTtlMs: z
      .int()
      .positive()
      .default(7 * 86_400_000),
    timeoutMs: z.int().positive().max(60_000).default(2000),
    assumeNoEviction: z.boolean().default(false),
    waitReplicas: z.int().nonnegative().max(100).default(0),
  })
  .refine(
    ({ url, client }) => (url === undefined) !== (client === undefined),
    "give either `url` or `client`",
  );

/**
 * Keeps state in Redis 6.2 or newer, or Valkey, so that several processes share it: a revocation by one is seen by the next hop of all, and limits hold
 * for what all of them use together. A hop waits for two round trips. Where Redis is away, slow, or would evict keys, each hop is denied with
 * `state_unavailable`.
 *
 * @throws {ConfigurationError} naming every wrong option.
 */
export function redisState(options: RedisStateOptions): RedisState {
  const { url, client: given, ...settings } = parseOptions(schema, "redisState", options);
  const { namespace, sessionTtlMs, timeoutMs, assumeNoEviction, waitReplicas } = settings;
  const inspect: Inspection = assumeNoEviction ? () => Promise.resolve() : refuseEviction;
  const client = given ? givenClient(given, inspect) : connection(url ?? "", timeoutMs, inspect);
  const keys = keysOf(namespace);
  const replicated = replication(waitReplicas, Math.ceil(timeoutMs / 2));

  return {
    isRemote: true,
    revocations: redisRevocations(client, keys, replicated),
    tasks: redisTasks(client, keys, replicated),
    session: (id, startedAt) => redisSession(client, keys, { id, startedAt, ttlMs: sessionTtlMs }),
    close: () => client.close(),
  };
}

function replication(replicas: number, timeoutMs: number): Replication {
  if (replicas === 0) return () => Promise.resolve();
  return async (client) => {
    const reached = Number(await client.sendCommand(["WAIT", String(replicas), String(timeoutMs)]));
    if (reached >= replicas) return;
    throw new Error(
      `only ${reached} of ${replicas} replicas have it: it stands, and would be lost with this primary`,
    );
  };
}
