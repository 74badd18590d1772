import { HTTP } from "@cerbos/http";
import { createGuard, memoryState, type Session, type StateStore } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { redisState } from "hopguard/redis";
import { redisBinary, startRedis } from "../support/redis-server";
import { interleaved, median, percentile, round } from "./measure";
import { AGENT, BARE_CHECK, HOP, PRINCIPAL, type Workload } from "./workload";

/** What state costs a hop that is counted, with usage in six sums: in memory, and in a Redis on this machine. */
export async function state({ url }: Workload) {
  const binary = redisBinary();
  if (binary === undefined) return { skipped: "no redis-server" };
  const redis = await startRedis(binary);
  const remote = redisState({ url: redis.url });
  const decisions = cerbos(url, { timeoutMs: 10_000 });
  const sessionWith = (state: StateStore): Promise<Session> =>
    createGuard({ pdp: decisions, state, usage: {}, audit: () => undefined }).session({
      principal: PRINCIPAL,
      agent: AGENT,
      task: { id: "T-1" },
    });
  const call = async (session: Session): Promise<void> => {
    const decision = await session.authorize(HOP);
    decision.settle("done");
  };
  try {
    const client = new HTTP(url);
    const [inMemory, inRedis] = [await sessionWith(memoryState()), await sessionWith(remote)];
    const times = await interleaved(2000, {
      bare: () => client.checkResource(BARE_CHECK),
      memory: () => call(inMemory),
      redis: () => call(inRedis),
    });
    return {
      bare_p50_ms: round(median(times.bare)),
      memory_p50_ms: round(median(times.memory)),
      redis_p50_ms: round(median(times.redis)),
      redis_p99_ms: round(percentile(times.redis, 0.99)),
      memory_ratio: round(median(times.memory) / median(times.bare), 2),
      redis_ratio: round(median(times.redis) / median(times.bare), 2),
    };
  } finally {
    await remote.close();
    decisions.close();
    await redis.stop();
  }
}
