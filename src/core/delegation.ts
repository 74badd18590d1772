import * as z from "zod";
import { grantSchema, isNoNarrower, whyWider, type Grant } from "./grant";
import { parseAgent, type Agent } from "./principal";

/** The longest that a delegation may live, in milliseconds: nothing lives longer that a session has begun elsewhere. */
export const MAX_LIFE_MS = 7 * 86_400_000;

/** Authority that one agent has handed to the next. It is never more than that agent had. */
export interface DelegationLink {
  /** Revokes it, and every one below: `guard.revoke({ delegation })`. */
  readonly id: string;
  /** Who received it. */
  readonly agent: Agent;
  readonly grant: Grant;
  /** Whether that agent may hand on what it has received. */
  readonly may_delegate: boolean;
  /** How many links the chain may have, this one counted. */
  readonly max_depth: number;
  /** Milliseconds since 1970. */
  readonly expires_at: number;
}

/** As it was signed. The names of agents are read like those of a session. */
export const linkSchema: z.ZodType<DelegationLink> = z.strictObject({
  id: z.string().min(1).max(256),
  agent: z.unknown().transform((agent) => parseAgent(agent)),
  grant: grantSchema,
  may_delegate: z.boolean(),
  max_depth: z.int().positive(),
  expires_at: z.int().positive(),
});

/** Where authority stands before it is handed on. */
export interface Delegator {
  /** The agent that the user set to work. */
  readonly root: Agent;
  readonly links: readonly DelegationLink[];
  /** What the tokens of the user and of that agent are limited to. */
  readonly limits: readonly Grant[];
}

/** What the operator says of all delegations. */
export interface DelegationRules {
  /** How many links a chain may have. */
  readonly maxDepth: number;
  /** Refuse a delegation of all that the delegating agent has. */
  readonly strict: boolean;
}

/** As the PDP folds names, and whatever the case: `Refund-Bot` does not hand its work to itself as `refund_bot`. */
const folded = (id: string): string => id.toLowerCase().replaceAll(/[-:/.@]/g, "_");

/** Why nobody could hand on so much, or to this agent; `undefined` when it is proven that authority narrows. */
export function whyInvalid(
  link: DelegationLink,
  { root, links, limits }: Delegator,
  { maxDepth, strict }: DelegationRules,
): string | undefined {
  const from = links.at(-1);
  if (from && !from.may_delegate) return `${from.agent.id} may not delegate what it has received.`;
  const depth = Math.min(from?.max_depth ?? maxDepth, maxDepth);
  if (links.length + 1 > depth) return `A chain of delegations may have ${depth} links and no more.`;
  if (link.max_depth > depth) return `maxDepth: ${depth} is the most that can be handed on.`;
  if (link.expires_at > (from?.expires_at ?? Infinity))
    return "expiresIn: the delegation would outlive the one that it comes from.";
  if ([root, ...links.map(({ agent }) => agent)].some(({ id }) => folded(id) === folded(link.agent.id)))
    return `${link.agent.id} is part of the chain already.`;

  const above = [...limits, ...links.map(({ grant }) => grant)];
  for (const grant of above) {
    const reason = whyWider(link.grant, grant);
    if (reason !== undefined) return `authorization_details: ${reason}.`;
  }
  const nearest = above.at(-1);
  if (strict && nearest && isNoNarrower(link.grant, nearest))
    return "authorization_details: this is all that the delegating agent has; hand on less.";
  return undefined;
}
