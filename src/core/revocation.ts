import * as z from "zod";
import type { SessionContext } from "./context";
import { within } from "./deadline";
import type { Identified } from "./identification";
import { parseOptions } from "./options";
import type { Authority, Revocation, RevocationTarget } from "./ports";
import { identifier } from "./principal";
import { Refusal } from "./refusal";

/** Why authority is withdrawn and by whom, for the audit record and never for the agent; and how far that reaches. */
export interface RevocationDetails {
  readonly reason?: string;
  readonly author?: string;
  /** Ends only what was issued before, so that whoever logs in again may go on. Default: everything. */
  readonly issuedBefore?: Date;
  /** When it may be forgotten. Default: never. */
  readonly expiresAt?: Date;
}

/** What no session can match, such as a member that is undefined or an id with a space after it, would revoke nothing, and nobody would be told. */
const targetSchema = z
  .strictObject({
    session: identifier.exactOptional(),
    task: identifier.exactOptional(),
    agent: identifier.exactOptional(),
    principal: identifier.exactOptional(),
    delegation: identifier.exactOptional(),
    login: z.string().min(1).exactOptional(),
  })
  .refine(
    (target) => Object.keys(target).length === 1,
    "name exactly one of session, task, agent, principal, delegation, login",
  );

const revocationDetailsSchema = z.strictObject({
  reason: z.string().exactOptional(),
  author: z.string().exactOptional(),
  issuedBefore: z.date().exactOptional(),
  // Seconds taken for milliseconds are a time in 1970. Stores go by the real time, whatever the clock of the records says.
  expiresAt: z
    .date()
    .refine((end) => end.getTime() > Date.now(), "expected a time to come: nothing would be revoked")
    .exactOptional(),
});

/** @throws {ConfigurationError} for a target that is not exactly one thing. */
export const parseTarget = (target: unknown, option: string): RevocationTarget =>
  parseOptions(targetSchema, option, target);

/** @throws {ConfigurationError} naming what is wrong. */
export function newRevocation(target: unknown, details: unknown, at: Date): Revocation {
  const parsed = parseOptions(revocationDetailsSchema, "revoke", details);
  const { issuedBefore, expiresAt, ...reasons } = parsed;
  return {
    ...reasons,
    target: parseTarget(target, "revoke"),
    at: at.toISOString(),
    ...(expiresAt && { expires_at: expiresAt.toISOString() }),
    ...(issuedBefore && { issued_before: issuedBefore.toISOString() }),
  };
}

/** What a hop's authority rests on: all that stands behind it, down the whole chain. */
export function authorityOf(
  { guard, id, root, links, task }: SessionContext,
  { checked: [subject], proof }: Identified,
): Authority {
  const targets: readonly RevocationTarget[] = [
    { session: id },
    { principal: subject.principal.id },
    ...(task ? [{ task: task.id }] : []),
    { agent: root.id },
    ...links.flatMap((link) => [{ agent: link.agent.id }, { delegation: link.id }]),
    ...(proof.logins ?? []).map((login) => ({ login })),
  ];
  const { issuedAt } = proof;
  return guard.tasks === "registered" && task ? { targets, issuedAt, task: task.id } : { targets, issuedAt };
}

/** The agent's own token has an age of its own: what ends it must not miss it because the user has logged in since. */
function agentsAuthority({ root }: SessionContext, { proof }: Identified): readonly Authority[] {
  const { agentToken } = proof;
  if (!agentToken || agentToken.issuedAt >= proof.issuedAt) return [];
  const { issuedAt, logins } = agentToken;
  return [{ targets: [{ agent: root.id }, ...logins.map((login) => ({ login }))], issuedAt }];
}

/** @throws {Refusal} `revoked` if anything that this session's authority rests on has been withdrawn. */
export async function refuseRevoked(session: SessionContext, identified: Identified): Promise<void> {
  const { guard } = session;
  refuseEnded(session);
  for (const authority of [authorityOf(session, identified), ...agentsAuthority(session, identified)])
    refuse(await within(guard.timeoutMs, "revocations", guard.state.revocations.find(authority)));
}

/** @throws {Refusal} `revoked` for a session that has ended, or was delegated from one that has. */
export function refuseEnded({ ends }: SessionContext): void {
  refuse(ends.find(({ revocation }) => revocation)?.revocation);
}

/** @throws {Refusal} for a revocation. */
export function refuse(revocation: Revocation | undefined): void {
  if (revocation) throw new Refusal("revoked", { detail: JSON.stringify(revocation) });
}
