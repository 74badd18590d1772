import type { AuditRecord, PrincipalInput } from "hopguard";
import type { Chapter as ChapterOn } from "../../shared/tell-story";
import { Agent } from "../agent";
import type { SupportDesk } from "../desk";
import { ticketSession, TRIAGE } from "../people";

/** A chapter of the desk's story. */
export type Chapter = ChapterOn<SupportDesk>;

const common = { harness: "support-desk", version: "2.3.0" };

/** The agent that a person of the desk has set to ticket T-1001. */
export async function refundBot(
  desk: SupportDesk,
  principal: PrincipalInput,
  answers?: "check",
): Promise<Agent> {
  const session = await ticketSession(desk, principal, { id: "refund-bot", ...common });
  return new Agent(desk, session, answers);
}

/** The agent that works by itself, on no ticket in particular. */
export async function triageBot(desk: SupportDesk): Promise<Agent> {
  const session = await desk.guard.session({ principal: TRIAGE, agent: { id: "triage-bot", ...common } });
  return new Agent(desk, session);
}

export const dollars = (cents: number): string =>
  (cents / 100).toLocaleString("en-US", { style: "currency", currency: "USD" });

export function last(desk: SupportDesk, action: string): AuditRecord | undefined {
  return desk.records.findLast((record) => record.hop.action === action);
}
