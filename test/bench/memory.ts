import { round } from "./measure";
import { HOP, SCHEMA, type Workload } from "./workload";

const SESSIONS = 100_000;

/** The heap after 100,000 sessions that came and went, and what one costs while it lives. Needs `--expose-gc`. */
export async function memory(workload: Workload) {
  const { gc } = globalThis;
  if (!gc) throw new Error("run it by `npm run bench`, which exposes the garbage collector");
  const heap = (): number => {
    gc();
    return process.memoryUsage().heapUsed;
  };
  const first = await workload.session();
  await first.check(HOP, { schema: SCHEMA });
  const before = heap();
  // One in a hundred makes a call: the PDP would be measured otherwise.
  for (let n = 0; n < SESSIONS; n++) {
    const session = await workload.session();
    if (n % 100 === 0) await session.check(HOP, { schema: SCHEMA });
  }
  const after = heap();
  const alive = [];
  for (let n = 0; n < 10_000; n++) alive.push(await workload.session());
  const held = heap();
  return {
    sessions: SESSIONS,
    left_behind_kb: round((after - before) / 1024, 0),
    living_session_bytes: round((held - after) / alive.length, 0),
  };
}
