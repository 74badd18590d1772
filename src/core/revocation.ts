import * as z from "zod";
import type { SessionContext } from "./context";
import { within } from "./deadline";
import { parseOptions } from "./options";
import type { Authority, Revocation, RevocationTarget } from "./ports";
import { identifier, type CheckedPrincipal } from "./principal";
import { Refusal } from "./refusal";

/** Why authority was withdrawn, and by whom: for the audit record, never for the agent. */
export interface RevocationDetails {
  readonly reason?: string;
  readonly author?: string;
}

/** What no session can match, such as a member that is undefined or an id with a space after it, would revoke nothing, and nobody would be told. */
const targetSchema = z
  .strictObject({
    session: identifier.exactOptional(),
    task: identifier.exactOptional(),
    agent: identifier.exactOptional(),
    principal: identifier.exactOptional(),
  })
  .refine(
    (target) => Object.keys(target).length === 1,
    "name exactly one of session, task, agent, principal",
  );

const revocationDetailsSchema = z.strictObject({
  reason: z.string().exactOptional(),
  author: z.string().exactOptional(),
});

/** @throws {ConfigurationError} for a target that is not exactly one thing. */
export const parseTarget = (target: unknown, option: string): RevocationTarget =>
  parseOptions(targetSchema, option, target);

/** @throws {ConfigurationError} naming what is wrong. */
export function newRevocation(target: unknown, details: unknown, at: Date): Revocation {
  const reasons = parseOptions(revocationDetailsSchema, "revoke", details);
  return { ...reasons, target: parseTarget(target, "revoke"), at: at.toISOString() };
}

/** What a hop's authority rests on. */
export function authorityOf(
  { guard, id, agent, task }: SessionContext,
  [subject]: readonly [CheckedPrincipal, ...CheckedPrincipal[]],
): Authority {
  const targets = [
    { session: id },
    { agent: agent.id },
    { principal: subject.principal.id },
    ...(task ? [{ task: task.id }] : []),
  ];
  return guard.tasks === "registered" && task ? { targets, task: task.id } : { targets };
}

/** @throws {Refusal} `revoked` if anything that this session's authority rests on has been withdrawn. */
export async function refuseRevoked(
  session: SessionContext,
  checked: readonly [CheckedPrincipal, ...CheckedPrincipal[]],
): Promise<void> {
  const { guard, ended } = session;
  refuse(ended);
  const found = guard.state.revocations.find(authorityOf(session, checked));
  refuse(await within(guard.timeoutMs, "revocations", found));
}

/** @throws {Refusal} for a revocation. */
export function refuse(revocation: Revocation | undefined): void {
  if (revocation) throw new Refusal("revoked", { detail: JSON.stringify(revocation) });
}
