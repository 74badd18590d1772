import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGuard, type Guard, type Session } from "hopguard";
import { jsonLinesFile } from "hopguard/audit";
import { cerbos } from "hopguard/cerbos";
import { startPdp } from "hopguard/pdp";
import { z } from "zod";

/** What every benchmark works with: an agent with roles, arguments of 2 kB that are checked by schema, and an audit file. */
export interface Workload {
  readonly url: string;
  readonly grpcAddress: string;
  readonly guard: Guard;
  session(): Promise<Session>;
  stop(): Promise<void>;
}

export const PRINCIPAL = {
  id: "u-1",
  roles: ["engineer"],
  attr: { department: "support", region: "eu" },
} as const;
export const AGENT = {
  id: "bench-agent",
  roles: ["support-agent"],
  harness: "bench",
  version: "1.0.0",
} as const;

export const ARGUMENTS = {
  amount_cents: 4000,
  note: "n".repeat(1500),
  items: Array.from({ length: 20 }, (_, n) => ({ sku: `sku-${n}`, count: n })),
};
export const SCHEMA = z.strictObject({
  amount_cents: z.int().positive(),
  note: z.string(),
  items: z.array(z.strictObject({ sku: z.string(), count: z.int() })),
});
export const HOP = {
  kind: "mcp_lab",
  action: "tools/call/conditional_0",
  attr: { arguments: ARGUMENTS },
} as const;

/** The same question, as a program would ask the PDP by itself. */
export const BARE_CHECK = {
  principal: { id: PRINCIPAL.id, roles: [...PRINCIPAL.roles], attr: PRINCIPAL.attr },
  resource: {
    kind: HOP.kind,
    id: "lab/1",
    attr: { server: "lab", tool: "conditional_0", arguments: ARGUMENTS },
  },
  actions: [HOP.action],
};

export async function startWorkload(): Promise<Workload> {
  const folder = await mkdtemp(join(tmpdir(), "hopguard-bench-"));
  const pdp = await startPdp({ policies: new URL("policies", import.meta.url), watch: false });
  const decisions = cerbos(pdp.url, { timeoutMs: 10_000 });
  const audit = jsonLinesFile(join(folder, "audit.jsonl"));
  const guard = createGuard({ pdp: decisions, audit });
  return {
    url: pdp.url,
    grpcAddress: pdp.grpcAddress,
    guard,
    session: () =>
      guard.session({ principal: PRINCIPAL, agent: AGENT, task: { id: "T-1", attr: { ticket_id: "T-1" } } }),
    stop: async () => {
      decisions.close();
      await pdp.stop();
      await audit.close();
      await rm(folder, { recursive: true });
    },
  };
}
