import type { GuardContext, SessionContext } from "./context";
import { ConfigurationError } from "./errors";
import type { IdentityVerifier } from "./ports";
import { checkedPrincipals, type CheckedPrincipal } from "./principal";
import type { ParsedSessionOptions } from "./session-options";

type Identify = SessionContext["identify"];

/**
 * How a session knows on whose behalf it acts.
 *
 * @throws {ConfigurationError} for a principal that no policy could be asked about, and for a token that nobody can verify.
 */
export function identification(
  { principal, token, agent, task }: ParsedSessionOptions,
  identity: IdentityVerifier | undefined,
  agents: GuardContext["agents"],
): Identify {
  if (principal) {
    // The caller's word. The same objects on every hop, so that checks of one session can share a request.
    const checked = checkedPrincipals({ agent, task, principal, auth: ASSERTED }, agents);
    return () => checked;
  }
  if (!identity || token === undefined) {
    throw new ConfigurationError("session.token: needs the guard's option `identity` to verify it");
  }
  return verified(token, identity, { agent, task }, agents);
}

const ASSERTED = { method: "asserted", verified: false } as const;

/** The verifier's word, asked on every hop. The same objects as long as it says the same. */
function verified(
  token: string | (() => string | Promise<string>),
  identity: IdentityVerifier,
  actors: Pick<ParsedSessionOptions, "agent" | "task">,
  agents: GuardContext["agents"],
): Identify {
  let last:
    | { readonly key: string; readonly checked: readonly [CheckedPrincipal, ...CheckedPrincipal[]] }
    | undefined;
  return async () => {
    const proven = await identity.verify(typeof token === "string" ? token : await token());
    const key = JSON.stringify(proven);
    if (last?.key !== key) last = { key, checked: checkedPrincipals({ ...proven, ...actors }, agents) };
    return last.checked;
  };
}
