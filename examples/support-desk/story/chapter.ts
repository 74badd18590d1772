import type { AuditRecord } from "hopguard";
import { Agent } from "../agent";
import type { SupportDesk } from "../desk";

/** A chapter of the story: it plays, and throws when anything ends otherwise than told. */
export interface Chapter {
  readonly title: string;
  play(desk: SupportDesk, tell: (line: string) => void): Promise<void>;
}

export const TIER_1 = { id: "u-1042", roles: ["tier-1-support"] };
export const TIER_2 = { id: "u-2001", roles: ["tier-2-lead"] };

/** The agent that a person of the desk has set to ticket T-1001. */
export async function refundBot(
  desk: SupportDesk,
  principal: typeof TIER_1,
  answers?: "check",
): Promise<Agent> {
  const session = await desk.guard.session({
    principal,
    agent: { id: "refund-bot", harness: "support-desk", version: "2.3.0" },
    task: { id: "T-1001", attr: { ticket_id: "T-1001" } },
  });
  return new Agent(desk, session, answers);
}

/** The agent that works by itself, on no ticket in particular. */
export async function triageBot(desk: SupportDesk): Promise<Agent> {
  const session = await desk.guard.session({
    principal: { id: "svc-triage", roles: ["autonomous-triage"], type: "service" },
    agent: { id: "triage-bot", harness: "support-desk", version: "2.3.0" },
  });
  return new Agent(desk, session);
}

export const dollars = (cents: number): string =>
  (cents / 100).toLocaleString("en-US", { style: "currency", currency: "USD" });

export function last(desk: SupportDesk, action: string): AuditRecord | undefined {
  return desk.records.findLast((record) => record.hop.action === action);
}
