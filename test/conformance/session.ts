import { createGuard, type AuditSink, type Guard, type Session } from "hopguard";
import { cerbos } from "hopguard/cerbos";

/** Long, because two runs share a machine: what is compared here is behaviour, and deadlines have tests of their own. */
const PATIENCE_MS = 10_000;

/** A guard that has something to do in every stage of its pipeline, and whose policy allows whatever reaches it. */
export function openGuard(pdpUrl: string, audit: AuditSink): Guard {
  return createGuard({
    pdp: cerbos(pdpUrl, { timeoutMs: PATIENCE_MS }),
    audit,
    agents: "principal",
    enrich: [{ name: "origin", provide: () => Promise.resolve({ suite: "mcp-conformance" }) }],
    guardrails: [{ name: "seen", check: () => Promise.resolve({ facts: { seen: true } }) }],
    timeoutMs: PATIENCE_MS,
  });
}

/** Who plays. */
export const PLAYER = {
  principal: { id: "u-conformance", roles: ["user"] },
  agent: { id: "conformance-client", roles: ["tester"] },
  task: { id: "T-conformance" },
} as const;

/** A session of such a guard. */
export function openSession(pdpUrl: string, audit: AuditSink): Promise<Session> {
  return openGuard(pdpUrl, audit).session(PLAYER);
}
