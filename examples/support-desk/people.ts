import type { AgentInput, Guard, PrincipalInput, Session } from "hopguard";

/** Who works at the desk. */
export const TIER_1: PrincipalInput = { id: "u-1042", roles: ["tier-1-support"] };
export const TIER_2: PrincipalInput = { id: "u-2001", roles: ["tier-2-lead"] };

/** Works there by itself, on no ticket in particular. */
export const TRIAGE: PrincipalInput = { id: "svc-triage", roles: ["autonomous-triage"], type: "service" };

/** The session of an agent that somebody of the desk has set to ticket T-1001. */
export const ticketSession = (
  { guard }: { readonly guard: Guard },
  principal: PrincipalInput,
  agent: AgentInput,
): Promise<Session> =>
  guard.session({ principal, agent, task: { id: "T-1001", attr: { ticket_id: "T-1001" } } });
