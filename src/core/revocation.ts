import type { SessionContext } from "./context";
import { within } from "./deadline";
import type { CheckedPrincipal } from "./principal";
import { Refusal } from "./refusal";

/** @throws {Refusal} `revoked` if anything that this session's authority rests on has been withdrawn. */
export async function refuseRevoked(
  { guard, id, agent, task }: SessionContext,
  [subject]: readonly [CheckedPrincipal, ...CheckedPrincipal[]],
): Promise<void> {
  const targets = [
    { session: id },
    { agent: agent.id },
    { principal: subject.principal.id },
    ...(task ? [{ task: task.id }] : []),
  ];
  const revocation = await within(guard.timeoutMs, "revocations", guard.state.revocations.find(targets));
  if (revocation) throw new Refusal("revoked", { detail: JSON.stringify(revocation) });
}
