import { parseArgs } from "node:util";
import { startHopWorkers, type HopResult } from "../support/hop-workers";
import { startPdpWith } from "../support/policies";
import { redisBinary, startRedis } from "../support/redis-server";
import { playRound, type Round } from "./round";
import { report } from "./report";

const USAGE = `npm run soak [-- OPTIONS]

Several processes, each with a guard of its own, take hops of the same tasks at once, over one real Redis and one real Cerbos PDP. In each round
one task has a limit of tokens that is too small for all, and another is revoked by one of the processes at a random moment.

  --hops N        how many hops in all; default 10000
  --processes N   default 4
  --short         2000 hops, some seconds
  --help          this text

Ends with 1 if a task has used more than its limit, if a hop was allowed that began after a revocation had been acknowledged, or if the run
proved nothing. Needs redis-server or valkey-server (or REDIS_SERVER with the path of one).`;

/** Of each process in each task of a round. */
const HOPS_AT_ONCE = 8;
const HOPS_OF_TASK = 50;

function readOptions(): { hops: number; processes: number } {
  const whole = (name: string, text: string): number => {
    if (/^[1-9]\d*$/.test(text)) return Number(text);
    throw new Error(`--${name}: expected a whole number, and not ${text}`);
  };
  try {
    const { values } = parseArgs({
      options: {
        hops: { type: "string" },
        processes: { type: "string", default: "4" },
        short: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(USAGE);
      process.exit();
    }
    const hops = values.hops ?? (values.short ? "2000" : "10000");
    return { hops: whole("hops", hops), processes: whole("processes", values.processes) };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const { hops, processes } = readOptions();
const binary = redisBinary();
if (binary === undefined) process.exit(2);

const redis = await startRedis(binary);
const pdp = await startPdpWith([
  {
    kind: "llm_model",
    rules: [
      {
        actions: ["completion"],
        effect: "EFFECT_ALLOW",
        roles: ["engineer"],
        condition: { match: { expr: "R.attr.context.usage.task.tokens <= P.attr.task.limit" } },
      },
    ],
  },
]);
const workers = await startHopWorkers(processes, { redis: redis.url, namespace: "soak", pdp: pdp.url });
const rounds: Round[] = [];
const started = performance.now();
try {
  const ofWorkers = workers.map((): HopResult[] => []);
  for (let taken = 0, length = 500; taken < hops; taken += 2 * HOPS_OF_TASK * processes) {
    const round = await playRound(workers, {
      name: String(rounds.length),
      hopsEach: HOPS_OF_TASK,
      atOnce: HOPS_AT_ONCE,
      revokeAfterMs: Math.random() * length,
    });
    // The moment is to fall into the round, which is as long as the machine is slow.
    length = round.ms;
    rounds.push(round);
    round.ofWorkers.forEach((results, index) => ofWorkers[index]?.push(...results));
  }
  process.exitCode = report(rounds, ofWorkers, performance.now() - started) ? 0 : 1;
} finally {
  await Promise.all(workers.map((worker) => worker.close()));
  await pdp.stop();
  await redis.stop();
}
