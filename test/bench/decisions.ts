import { HTTP } from "@cerbos/http";
import { interleaved, median, percentile, round } from "./measure";
import { ARGUMENTS, BARE_CHECK, HOP, SCHEMA, type Workload } from "./workload";

/** One decision, bare and guarded. */
export async function check(workload: Workload) {
  const client = new HTTP(workload.url);
  const session = await workload.session();
  const { bare, guarded } = await interleaved(2000, {
    bare: () => client.checkResource(BARE_CHECK),
    guarded: () => session.check(HOP, { schema: SCHEMA }),
  });
  return {
    bare_p50_ms: round(median(bare)),
    bare_p99_ms: round(percentile(bare, 0.99)),
    guarded_p50_ms: round(median(guarded)),
    guarded_p99_ms: round(percentile(guarded, 0.99)),
    ratio: round(median(guarded) / median(bare), 2),
  };
}

/** Fifty at once, with the arguments of 2 kB and, because the PDP's own work grows with them, with small ones. */
export async function parallel50(workload: Workload) {
  const client = new HTTP(workload.url);
  const session = await workload.session();
  const fifty = (run: () => Promise<unknown>) => () => Promise.all(Array.from({ length: 50 }, run));
  const small = { arguments: { amount_cents: 4000 } };
  const { principal, resource, actions } = BARE_CHECK;
  const bareSmall = { principal, resource: { ...resource, attr: small }, actions };
  const times = await interleaved(100, {
    bare: fifty(() => client.checkResource(BARE_CHECK)),
    guarded: fifty(() => session.check(HOP, { schema: SCHEMA })),
    bareSmall: fifty(() => client.checkResource(bareSmall)),
    guardedSmall: fifty(() => session.check({ ...HOP, attr: small })),
  });
  return {
    bare_ms: round(median(times.bare), 2),
    guarded_ms: round(median(times.guarded), 2),
    speedup: round(median(times.bare) / median(times.guarded), 2),
    small_bare_ms: round(median(times.bareSmall), 2),
    small_guarded_ms: round(median(times.guardedSmall), 2),
    small_speedup: round(median(times.bareSmall) / median(times.guardedSmall), 2),
  };
}

const TOOLS = Array.from({ length: 1000 }, (_, n) => {
  const share = n % 10;
  return `${share < 4 ? "always" : share < 6 ? "conditional" : "never"}_${n}`;
});

/** Which of 1,000 tools to show: one check a tool, twenty at a time, against `session.visible`. */
export async function list1000(workload: Workload) {
  const client = new HTTP(workload.url);
  const oneByOne = async (): Promise<void> => {
    const left = [...TOOLS];
    const { principal, resource } = BARE_CHECK;
    const worker = async (): Promise<void> => {
      for (let tool = left.pop(); tool !== undefined; tool = left.pop()) {
        await client.checkResource({ principal, resource, actions: [`tools/call/${tool}`] });
      }
    };
    await Promise.all(Array.from({ length: 20 }, worker));
  };
  const known = await workload.session();
  await known.visible("lab", TOOLS);
  const { bare, first, repeated } = await interleaved(8, {
    bare: oneByOne,
    first: async () => (await workload.session()).visible("lab", TOOLS),
    repeated: () => known.visible("lab", TOOLS),
  });
  return {
    bare_ms: round(median(bare), 1),
    first_ms: round(median(first), 1),
    repeated_ms: round(median(repeated), 2),
    first_speedup: round(median(bare) / median(first), 2),
    speedup: round(median(bare) / median(repeated), 1),
    arguments_bytes: JSON.stringify(ARGUMENTS).length,
  };
}
