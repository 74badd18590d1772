import type { SessionContext } from "./context";
import { within } from "./deadline";
import { ConfigurationError } from "./errors";
import type { Evaluation } from "./evaluation";
import { chainOf } from "./recording";

/** Signs what was decided, for one service that is called now. */
export function assertion(
  session: SessionContext,
  { decisionId, flags, checked, label, digest }: Evaluation,
): (audience: string) => Promise<string> {
  const { guard, id, agent, task } = session;
  return async (audience) => {
    if (!guard.assertions) throw new ConfigurationError("assertion: needs the guard's option `assertions`");
    if (flags.includes("look_up") || flags.includes("recheck"))
      throw new ConfigurationError("assertion: a look-up permits nothing that could be asserted");
    const argumentsDigest = await digest;
    const asserted = guard.assertions.sign(
      {
        subject: checked?.[0].principal.id ?? "unknown",
        agent: agent.id,
        chain: chainOf(session),
        ...(task && { task: task.id }),
        session: id,
        decisionId,
        hop: label,
        ...(argumentsDigest !== undefined && { argumentsDigest }),
      },
      audience,
    );
    return within(guard.timeoutMs, "assertion", asserted);
  };
}
