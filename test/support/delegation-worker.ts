import { createGuard, type AuditRecord, type Session } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { delegationTokens } from "hopguard/identity";
import { redisState } from "hopguard/redis";
import type { Order, WorkerOptions, WorkerResult } from "./delegation-workers";

/** A process of its own with a guard of its own, in which an agent goes on with what it was delegated: see delegation-workers.ts. */
const { redis, namespace, pdp, tokens } = JSON.parse(process.env.DELEGATION_WORKER ?? "{}") as WorkerOptions;

const state = redisState({ url: redis, namespace, timeoutMs: 10_000 });
const records: AuditRecord[] = [];
const guard = createGuard({
  pdp: cerbos(pdp, { timeoutMs: 10_000 }),
  state,
  audit: (record) => void records.push(record),
  delegation: { tokens: delegationTokens(tokens) },
  usage: {},
  repeats: false,
  timeoutMs: 10_000,
});
let session: Session | undefined;

async function follow(order: Order): Promise<WorkerResult> {
  if (order.order === "take") {
    session = await guard.session({ delegation: order.token, agent: { id: order.agent } });
    return { session: session.id, agent: session.agent, delegation: session.delegation };
  }
  if (order.order === "close") {
    await state.close();
    process.disconnect();
    return {};
  }
  const mine = session;
  if (!mine) throw new Error("nothing was taken up");
  if (order.order === "check") {
    const decided = await Promise.all(Array.from({ length: order.times }, () => mine.check(order.hop)));
    return {
      codes: decided.map((decision) => (decision.effect === "allow" ? "allow" : decision.denial.code)),
      record: records.at(-1),
    };
  }
  if (order.order === "delegate") {
    const child = await mine.delegate(order.options);
    return { token: await child.delegationToken() };
  }
  await mine.end();
  return {};
}

process.on("message", ({ id, order }: { id: number; order: Order }) => {
  follow(order).then(
    (value) => process.connected && process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.send?.("ready");
