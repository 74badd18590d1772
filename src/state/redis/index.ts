/**
 * State in Redis or Valkey, for agents that run in several processes: they share revocations, tasks, sessions and budgets.
 *
 * @module hopguard/redis
 */
export { redisState, type RedisState, type RedisStateOptions } from "./redis-state";
export type { RedisClient } from "./client";
