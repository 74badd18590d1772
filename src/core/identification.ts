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
  readonly agentToken?: AgentToken;
}

/** What the agent's own token says of itself, and not of the user's. */
export interface AgentToken {
  /** What it is limited to. */
  readonly limit?: Grant;
  readonly issuedAt: number;
  readonly logins: readonly string[];
}

/** Proves it, anew on every hop where there is a token. */
export type Prove = () => MaybePromise<Proof>;

/** One of the limits that a hop is held against. */
export interface Limit {
  /** Whom a denial names. */
  readonly label: string;
  /** What does not cover the call, as the denial says it. */
  readonly what: string;
  readonly grant: Grant;
}

/** Whom a hop is decided for. */
export interface Identified {
  /** The same objects while nothing has changed, so that checks can share a request. */
  readonly checked: readonly [CheckedPrincipal, ...CheckedPrincipal[]];
  readonly proof: Proof;
  /** The subject's token, if the PDP is to read it. The same object while it is the same. */
  readonly auxData: AuxData | undefined;
  /** What limits the hop before any policy: the tokens' own limits, and the grant of each delegation. The same object while they are the same. */
  readonly grants: readonly Limit[];
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
  let onBehalfOf: { readonly id: string; readonly issuer: string | undefined } | undefined;

  return async () => {
    const [subject, agent] = await Promise.all([
      proveSubject(),
      tokens.agent === undefined ? undefined : verify(tokens.agent),
    ]);
    refuseOtherAgent(given.agent.id, subject.actor, agent?.principal.id, agent?.actor);
    // What a session has counted, pinned and remembered is one principal's. Two issuers may have one of the same name.
    const { id } = subject.principal;
    // A verifier of the operator's own, in JavaScript, may leave out how it knows.
    const issuer = (subject as Partial<VerifiedIdentity>).auth?.issuer;
    onBehalfOf ??= { id, issuer };
    if (id !== onBehalfOf.id || issuer !== onBehalfOf.issuer) {
      const whose = [onBehalfOf.id, onBehalfOf.issuer ?? []].flat().join(" at ");
      throw new Refusal("unauthenticated", { detail: `the session is that of ${whose}: open another` });
    }
    const expiresAt = Math.min(subject.expiresAt ?? Infinity, agent?.expiresAt ?? Infinity);
    return {
      ...subject,
      ...(subject.authorizationDetails && {
        authorizationDetails: limitOf(subject.authorizationDetails),
      }),
      ...(expiresAt !== Infinity && { expiresAt }),
      issuedAt: issueTime(subject, startedAt),
      logins: [...(subject.logins ?? []), ...(agent?.logins ?? [])],
      ...(agent && {
        agent: verifiedAgent(given.agent, agent.principal),
        agentToken: ownToken(agent, startedAt),
      }),
    };
  };
}

function ownToken(
  { authorizationDetails, logins, ...identity }: VerifiedIdentity,
  startedAt: number,
): AgentToken {
  return {
    issuedAt: issueTime(identity, startedAt),
    logins: logins ?? [],
    ...(authorizationDetails && { limit: limitOf(authorizationDetails) }),
  };
}

/** No revocation would reach what was issued at no time: NaN, as of a claim that is not there, is never earlier. */
function issueTime({ issuedAt }: Pick<VerifiedIdentity, "issuedAt">, startedAt: number): number {
  const time = issuedAt ?? startedAt;
  if (Number.isFinite(time)) return time;
  throw new Refusal("unauthenticated", { detail: "issuedAt is no time in milliseconds since 1970" });
}

const limitOf = (details: unknown): Grant => parseOptions(grantSchema, "authorization_details", details);

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

/** Finds out whom a hop is decided for. */
export interface Identification {
  /**
   * Whom to ask the PDP about, and what limits them.
   *
   * @throws {Refusal} where a token or a delegation has expired.
   */
  identify(): MaybePromise<Identified>;
  /** Who was proven last: for the record of a hop that proves nobody, and to look for revocations. It allows nothing. */
  known(): Identified | undefined;
}

export function identification(
  prove: Prove,
  acting: Acting & Partial<Pick<Identification, "known">>,
  guard: Pick<GuardContext, "agents" | "auxData" | "clock" | "delegation">,
): Identification {
  let last: (Identified & { readonly key: string }) | undefined;
  const describe = (proof: Proof): Identified => {
    if (last?.proof === proof) return last;
    const { principal, auth, agent, authorizationDetails, agentToken, token } = proof;
    // A token that was renewed says the same.
    const key = JSON.stringify([principal, auth, agent, authorizationDetails, agentToken?.limit]);
    const same = last?.key === key ? last : undefined;
    const actors = { ...acting, proof, maxDepth: guard.delegation.maxDepth };
    const forPdp =
      guard.auxData && token !== undefined ? Object.freeze({ jwt: { token, ...guard.auxData } }) : undefined;
    last = {
      key,
      proof,
      checked: same?.checked ?? checkedPrincipals(actors, guard.agents),
      grants: same?.grants ?? limitsOf(proof, acting),
      auxData: last?.proof.token === token ? last?.auxData : forPdp,
    };
    return last;
  };
  const identify = (proof: Proof): Identified => {
    const identified = describe(proof);
    refuseExpired(proof, acting.links, guard.clock);
    return identified;
  };
  return {
    identify: () => {
      const proof = prove();
      return proof instanceof Promise ? proof.then(identify) : identify(proof);
    },
    known: () => last ?? acting.known?.(),
  };
}

/** What the tokens that prove a session limit it to. */
export const tokenLimits = ({ authorizationDetails, agentToken }: Proof): readonly Grant[] =>
  [authorizationDetails, agentToken?.limit].filter((limit) => limit !== undefined);

/** That of the user's token, that of his agent's, and the grant of each delegation. */
function limitsOf({ authorizationDetails, agentToken }: Proof, { root, links }: Acting): readonly Limit[] {
  const agentLimit = agentToken?.limit;
  return [
    ...(authorizationDetails ? [{ label: "subject", what: "The token", grant: authorizationDetails }] : []),
    ...(agentLimit ? [{ label: root.id, what: `The token of ${root.id}`, grant: agentLimit }] : []),
    ...links.map(({ agent: { id }, grant }) => ({ label: id, what: `What was delegated to ${id}`, grant })),
  ];
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
