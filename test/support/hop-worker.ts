import { setTimeout as sleep } from "node:timers/promises";
import { createGuard, type PolicyDecisionPoint } from "hopguard";
import { cerbos } from "hopguard/cerbos";
import { redisState } from "hopguard/redis";
import { stubPdp } from "hopguard/testing";
import type { HopResult, Order, WorkerOptions } from "./hop-workers";

/** A process of its own with a guard of its own, which does what it is told: see hop-workers.ts. */
const { redis, namespace, pdp } = JSON.parse(process.env.HOP_WORKER ?? "{}") as WorkerOptions;

interface Facts {
  readonly usage: { readonly task: { readonly tokens: number } };
}

/** The policy of the soak, word for word. */
const limitedByTask: PolicyDecisionPoint = stubPdp({
  rules: [
    ({ principal, resource }) =>
      (resource.attr.context as unknown as Facts).usage.task.tokens <=
      (principal.attr.task as { limit: number }).limit,
  ],
});
const state = redisState({ url: redis, namespace });
const guard = createGuard({
  pdp: pdp === undefined ? limitedByTask : cerbos(pdp, { timeoutMs: 10_000 }),
  state,
  audit: () => undefined,
  usage: {},
  repeats: false,
  timeoutMs: 10_000,
});

/** Milliseconds on a clock that all processes of a machine share. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

async function take({ task, session: id, limit, count, atOnce, tokens, used }: Order & { order: "hops" }) {
  const session = await guard.session({
    principal: { id: "u-1", roles: ["engineer"] },
    agent: { id: "bot" },
    task: { id: task, attr: { limit } },
    ...(id !== undefined && { id }),
  });
  const results: HopResult[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const startedAt = now();
      const decision = await session.check({
        kind: "llm_model",
        id: "gpt-4o-mini",
        action: "completion",
        attr: { request: { estimated_input_tokens: 0, max_tokens: tokens } },
      });
      const ms = now() - startedAt;
      if (decision.effect === "deny") {
        results.push({ startedAt, ms, code: decision.denial.code, tokens: 0 });
        continue;
      }
      // The call itself, and what it has used in the end.
      await sleep(Math.random() * 3);
      const output_tokens = used === "all" ? tokens : Math.ceil(tokens * Math.random());
      if (used === "part") decision.settle("done", { input_tokens: 0, output_tokens });
      results.push({ startedAt, ms, code: "allow", tokens: output_tokens });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
}

async function follow(order: Order): Promise<unknown> {
  if (order.order === "hops") return take(order);
  if (order.order === "revoke") {
    await guard.revoke({ task: order.task });
    return now();
  }
  await state.close();
  process.disconnect();
  return undefined;
}

process.on("message", ({ id, order }: { id: number; order: Order }) => {
  follow(order).then(
    (value) => process.connected && process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.send?.("ready");
