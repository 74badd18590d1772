import * as z from "zod";
import { attempt } from "./attempt";
import type { GuardContext, SessionContext } from "./context";
import { within } from "./deadline";
import type { DenyDecision } from "./decision";
import { linkSchema, whyInvalid, type DelegationLink } from "./delegation";
import { ConfigurationError } from "./errors";
import { newEvaluation } from "./evaluation";
import { grantSchema } from "./grant";
import { tokenLimits, type AgentToken, type Identified, type Proof } from "./identification";
import { snapshot, type JsonObject } from "./json";
import { parseAgent, parsePrincipal, parseTask, type Agent, type Authentication } from "./principal";
import type { DelegationTokens } from "./ports";
import { Refusal } from "./refusal";
import { refuseRevoked } from "./revocation";
import { sessionContext } from "./session-context";

/** What is signed: on whose behalf, the session that all of it counts for, and the chain. */
const signedSchema = z.strictObject({
  principal: z.unknown().transform(parsePrincipal),
  // A verifier of the operator's own may say more of it, or less.
  auth: z.looseObject({}),
  issued_at: z.number(),
  logins: z.array(z.string()),
  authorization_details: grantSchema.exactOptional(),
  agent_token: z
    .strictObject({
      issued_at: z.number(),
      logins: z.array(z.string()),
      authorization_details: grantSchema.exactOptional(),
    })
    .exactOptional(),
  session: z.string().min(1).max(256),
  started_at: z.iso.datetime(),
  root: z.unknown().transform((root) => parseAgent(root)),
  task: z.looseObject({}).transform(parseTask).exactOptional(),
  links: z.array(linkSchema).max(100),
});

/**
 * The chain up to this agent, signed, for a process in which it goes on.
 *
 * @throws {ConfigurationError} where nothing was delegated or nobody can sign.
 */
export async function signedDelegation(session: SessionContext): Promise<string | DenyDecision> {
  const { tokens } = session.guard.delegation;
  const link = session.links.at(-1);
  if (!tokens) throw new ConfigurationError("delegationToken: needs the guard's option `delegation.tokens`");
  if (!link)
    throw new ConfigurationError("delegationToken: this session was not delegated; use delegate() first");
  const evaluation = newEvaluation({ kind: "session", name: session.agent.id, action: "delegation_token" });
  return attempt<string>(session, evaluation, undefined, async (enter) => {
    enter("identity");
    const identified = await within(session.guard.timeoutMs, "identity", session.identify());
    evaluation.checked = identified.checked;
    enter("revocation");
    await refuseRevoked(session, identified);
    enter("delegation");
    return sign(session, identified, link, tokens);
  });
}

async function sign(
  { guard, links, agent, id, startedAt, root, task }: SessionContext,
  { proof }: Identified,
  link: DelegationLink,
  tokens: DelegationTokens,
): Promise<string> {
  const signed: z.input<typeof signedSchema> = {
    principal: proof.principal,
    auth: { ...proof.auth },
    issued_at: proof.issuedAt,
    logins: [...(proof.logins ?? [])],
    ...(proof.authorizationDetails && { authorization_details: [...proof.authorizationDetails] as never }),
    ...(proof.agentToken && { agent_token: signedAgentToken(proof.agentToken) }),
    session: id,
    started_at: startedAt.toISOString(),
    // Its own token, which says its roles, stays here.
    root: proof.agent ?? root,
    ...(task && { task: { ...task } }),
    links: links as never,
  };
  // Nobody renews the user's token there.
  const expiresAt = Math.min(link.expires_at, proof.expiresAt ?? Infinity);
  return within(
    guard.timeoutMs,
    "delegation token",
    tokens.sign(snapshot(signed) as JsonObject, { audience: agent.id, expiresAt }),
  );
}

type SignedAgentToken = NonNullable<z.output<typeof signedSchema>["agent_token"]>;

function signedAgentToken({ limit, issuedAt, logins }: AgentToken): SignedAgentToken {
  const limits = limit && { authorization_details: [...limit] as never };
  return { issued_at: issuedAt, logins: [...logins], ...limits };
}

function agentTokenOf({ issued_at, logins, authorization_details: limit }: SignedAgentToken): AgentToken {
  return { issuedAt: issued_at, logins, ...(limit && { limit }) };
}

/**
 * The run that a delegation from elsewhere begins here. What was signed is proven again, link by link: a signature says who wrote it, and not
 * that it narrows.
 *
 * @throws {Refusal} `delegation_invalid`.
 */
export async function takeUpDelegation(
  guard: GuardContext,
  tokens: DelegationTokens,
  token: string,
  taker: Agent,
): Promise<SessionContext> {
  const { delegation, audience, expiresAt } = await within(
    guard.timeoutMs,
    "delegation token",
    tokens.verify(token),
  );
  const signed = signedSchema.parse(snapshot(delegation));
  const { root, authorization_details: limit, agent_token: its } = signed;
  const proof: Proof = {
    principal: signed.principal,
    auth: signed.auth as unknown as Authentication,
    issuedAt: signed.issued_at,
    logins: signed.logins,
    ...(limit && { authorizationDetails: limit }),
    ...(its && { agentToken: agentTokenOf(its) }),
  };
  // The token may end before the delegation: with the user's own.
  const links = signed.links.map((link) => ({ ...link, expires_at: Math.min(link.expires_at, expiresAt) }));
  const received = links.at(-1)?.agent;
  if (!received) throw invalid("nothing was delegated");
  // Its roles are what the delegation says; what runs it, it says itself.
  const agent = { ...taker, ...received };
  if (audience !== agent.id)
    throw invalid(`the token is for ${audience}, and the delegation for ${agent.id}`);
  links.forEach((link, index) => {
    const above = { root, links: links.slice(0, index), limits: tokenLimits(proof) };
    const reason = whyInvalid(link, above, guard.delegation);
    if (reason !== undefined) throw invalid(reason);
  });
  if (taker.id !== agent.id) throw invalid(`the delegation is for ${agent.id}, and not for ${taker.id}`);

  const startedAt = new Date(signed.started_at);
  return sessionContext(guard, {
    id: signed.session,
    startedAt,
    counter: guard.state.session(signed.session, startedAt),
    prove: () => proof,
    agent,
    root,
    task: signed.task,
    links,
  });
}

const invalid = (detail: string): Refusal => new Refusal("delegation_invalid", { detail });
