import type { UsageAccount } from "../../core/ports";

/** The names of what is kept. */
export interface Keys {
  /** A hash: revocations by what they end. */
  readonly revoked: string;
  /** A sorted set: when those of them end that do. */
  readonly revokedUntil: string;
  readonly task: (id: string) => string;
  readonly session: (id: string) => string;
  readonly attempts: (sessionId: string) => string;
  readonly calls: (sessionId: string) => string;
  readonly usage: (account: UsageAccount) => string;
}

/**
 * Ids are written as JSON, which has an end: no id can be chosen so that its key is another's. All keys share a hash tag, because a script of a
 * cluster may touch one slot only.
 */
export function keysOf(namespace: string): Keys {
  const key = (kind: string, ...parts: readonly (string | number)[]): string =>
    `{${namespace}}:${kind}:${JSON.stringify(parts)}`;
  return {
    revoked: `{${namespace}}:revoked`,
    revokedUntil: `{${namespace}}:revoked-until`,
    task: (id) => key("task", id),
    session: (id) => key("session", id),
    attempts: (id) => key("attempts", id),
    calls: (id) => key("calls", id),
    usage: ({ scope, id, window, index }) => key("usage", scope, id, window, index),
  };
}
