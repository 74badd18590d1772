import type { GuardContext } from "./context";
import type { DelegationLink } from "./delegation";
import { ConfigurationError } from "./errors";
import type { Grant } from "./grant";
import { grantSchema } from "./grant";
import { parseOptions } from "./options";
import type { AuxData, IdentityVerifier, MaybePromise, VerifiedIdentity } from "./ports";
import {
  checkedPrincipals,
  parseAgent,
  type Agent,
  type CheckedPrincipal,
  type PrincipalInput,
  type Task,
  type TokenSource,
} from "./principal";
import { Refusal } from "./refusal";

/** Who a session acts for, and who acts, as far as that is proven. */
export interface Proof extends VerifiedIdentity {
  readonly issuedAt: number;
  /** The subject's own token, where it was one that proved it. */
  readonly token?: string;
  /** The acting agent, if its own token was verified: roles and attributes are the token's. */
  readonly agent?: Agent;
}

/** Proves it, anew on every hop where there is a token. */
export type Prove = () => MaybePromise<Proof>;

/** Whom a hop is decided for. */
export interface Identified {
  /** The same objects while nothing has changed, so that checks can share a request. */
  readonly checked: readonly [CheckedPrincipal, ...CheckedPrincipal[]];
  readonly proof: Proof;
  /** The subject's token, if the PDP is to read it. The same object while it is the same. */
  readonly auxData: AuxData | undefined;
  /** What limits the hop before any policy: the token's own limit, and the grant of each delegation. */
  readonly grants: readonly { readonly label: string; readonly grant: Grant }[];
}

const ASSERTED = { method: "asserted", verified: false } as const;

/** The caller's word for it. */
export function asserted(principal: PrincipalInput, startedAt: number): Prove {
  const proof: Proof = { principal, auth: ASSERTED, issuedAt: startedAt };
  return () => proof;
}

/**
 * What the tokens prove, that of the subject and that of the agent.
 *
 * @throws {ConfigurationError} for a token that nobody can verify.
 */
export function proven(
  tokens: { readonly subject: TokenSource | undefined; readonly agent: TokenSource | undefined },
  given: { readonly principal: PrincipalInput | undefined; readonly agent: Agent },
  identity: IdentityVerifier | undefined,
  startedAt: number,
): Prove {
  if (!identity) {
    const option = tokens.subject === undefined ? "session.agent.token" : "session.token";
    throw new ConfigurationError(`${option}: needs the guard's option \`identity\` to verify it`);
  }
  const verify = async (source: TokenSource): Promise<VerifiedIdentity & { readonly token: string }> => {
    const token = typeof source === "string" ? source : await source();
    return { ...(await identity.verify(token)), token };
  };
  const proveSubject = async (): Promise<VerifiedIdentity & { readonly token?: string }> => {
    if (tokens.subject !== undefined) return verify(tokens.subject);
    if (given.principal) return { principal: given.principal, auth: ASSERTED };
    throw new Refusal("unauthenticated", { detail: "there is neither a token nor a principal" });
  };
  let onBehalfOf: string | undefined;

  return async () => {
    const [subject, agent] = await Promise.all([
      proveSubject(),
      tokens.agent === undefined ? undefined : verify(tokens.agent),
    ]);
    refuseOtherAgent(given.agent.id, subject.actor, agent?.principal.id);
    // What a session has counted, pinned and remembered is one principal's.
    onBehalfOf ??= subject.principal.id;
    if (subject.principal.id !== onBehalfOf)
      throw new Refusal("unauthenticated", { detail: `the session is that of ${onBehalfOf}: open another` });
    const expiresAt = Math.min(subject.expiresAt ?? Infinity, agent?.expiresAt ?? Infinity);
    return {
      ...subject,
      ...(subject.authorizationDetails && {
        authorizationDetails: parseOptions(
          grantSchema,
          "authorization_details",
          subject.authorizationDetails,
        ),
      }),
      ...(expiresAt !== Infinity && { expiresAt }),
      issuedAt: subject.issuedAt ?? startedAt,
      logins: [...(subject.logins ?? []), ...(agent?.logins ?? [])],
      ...(agent && { agent: verifiedAgent(given.agent, agent.principal) }),
    };
  };
}

/** A token that names another agent as the one that acts is somebody else's. */
function refuseOtherAgent(id: string, ...claimed: readonly (string | undefined)[]): void {
  for (const other of claimed)
    if (other !== undefined && other !== id)
      throw new Refusal("unauthenticated", {
        detail: `the token is that of the agent ${other}, and not ${id}`,
      });
}

function verifiedAgent(given: Agent, { id, roles, attr }: PrincipalInput): Agent {
  const { harness, version } = given;
  return parseAgent({
    id,
    roles,
    ...(attr && { attr }),
    ...(harness !== undefined && { harness }),
    ...(version !== undefined && { version }),
  });
}

/** Who acts in a session, and by which delegations. */
export interface Acting {
  readonly agent: Agent;
  readonly task: Task | undefined;
  /** The agent that the user set to work. */
  readonly root: Agent;
  /** From the user's agent on; the last is the acting agent's. None without delegation. */
  readonly links: readonly DelegationLink[];
}

/**
 * Whom to ask the PDP about, and what limits them.
 *
 * @throws {Refusal} where a token or a delegation has expired.
 */
export function identification(
  prove: Prove,
  acting: Acting,
  guard: Pick<GuardContext, "agents" | "auxData" | "clock" | "delegation">,
): () => MaybePromise<Identified> {
  let last: (Identified & { readonly key: string }) | undefined;
  const identify = (proof: Proof): Identified => {
    refuseExpired(proof, acting.links, guard.clock);
    if (last?.proof === proof) return last;
    // A token that was renewed says the same.
    const key = JSON.stringify([proof.principal, proof.auth, proof.agent]);
    const checked =
      last?.key === key
        ? last.checked
        : checkedPrincipals({ ...acting, proof, maxDepth: guard.delegation.maxDepth }, guard.agents);
    const ofToken = proof.authorizationDetails;
    const grants = [
      ...(ofToken ? [{ label: "subject", grant: ofToken }] : []),
      ...acting.links.map(({ agent, grant }) => ({ label: agent.id, grant })),
    ];
    const { token } = proof;
    const forPdp =
      guard.auxData && token !== undefined ? Object.freeze({ jwt: { token, ...guard.auxData } }) : undefined;
    const auxData = last?.proof.token === token ? last?.auxData : forPdp;
    last = { key, checked, proof, auxData, grants };
    return last;
  };
  return () => {
    const proof = prove();
    return proof instanceof Promise ? proof.then(identify) : identify(proof);
  };
}

function refuseExpired({ expiresAt }: Proof, links: readonly DelegationLink[], clock: () => Date): void {
  if (expiresAt === undefined && links.length === 0) return;
  const now = clock().getTime();
  // Said so that a clock without a time, which is before and after nothing, refuses.
  const isOver = (end: number): boolean => !(now < end);
  const expired = links.find((link) => isOver(link.expires_at));
  if (expired)
    throw new Refusal("delegation_invalid", {
      reason: "The delegation has expired.",
      refusedBy: expired.agent.id,
    });
  if (expiresAt !== undefined && isOver(expiresAt))
    throw new Refusal("unauthenticated", { detail: "the token has expired" });
}
