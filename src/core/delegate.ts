import * as z from "zod";
import type { SessionContext } from "./context";
import type { DenyDecision } from "./decision";
import { MAX_LIFE_MS, whyInvalid, type DelegationLink } from "./delegation";
import { ConfigurationError } from "./errors";
import { grantSchema, type AuthorizationDetails, type Grant } from "./grant";
import { namedBy } from "./hop";
import { tokenLimits, type Identified } from "./identification";
import { snapshot, type JsonValue } from "./json";
import { assertKindPart } from "./names";
import { parseOptions } from "./options";
import { decide } from "./pipeline";
import { parseAgent, type Agent, type AgentInput } from "./principal";
import { Refusal } from "./refusal";
import { sessionContext } from "./session-context";
import { lookUp, type Question } from "./visibility";

/** What is handed on, to whom, and on what conditions. */
export interface DelegateOptions {
  /** The agent that goes on, by the name that policies know it by (`a2a_<agent>`): a-z, 0-9 and _. */
  readonly to: string | Omit<AgentInput, "token">;
  /** What it may do, and nothing else. It must be proven to be within what the delegating agent was granted. Empty: nothing. */
  readonly authorization_details: readonly AuthorizationDetails[];
  /** Whether it may delegate further. Default false. */
  readonly mayDelegate?: boolean;
  /** How many links the chain may have, this one counted. Default: what holds for the delegating agent. */
  readonly maxDepth?: number;
  /** Seconds after which it ends, as in OAuth; at most a week. Default 3600, or what is left of the delegating agent's. */
  readonly expiresIn?: number;
}

const delegateSchema = z.strictObject({
  to: z.unknown(),
  authorization_details: z.unknown(),
  mayDelegate: z.boolean().default(false),
  maxDepth: z.int().positive().max(100).optional(),
  expiresIn: z
    .number()
    .positive()
    .max(MAX_LIFE_MS / 1000)
    .optional(),
});

const DEFAULT_LIFE_SECONDS = 3600;

/**
 * Decides on a delegation, and answers with the run of the agent that received it, or with the denial.
 *
 * @throws {ConfigurationError} naming an option that no delegation could have.
 */
export async function delegate(
  session: SessionContext,
  given: DelegateOptions,
): Promise<SessionContext | DenyDecision> {
  const { to, authorization_details, ...wanted } = parseOptions(delegateSchema, "delegate", given);
  if (authorization_details === undefined)
    throw new ConfigurationError("delegate.authorization_details: say what the agent may do; [] is nothing");
  const agent = receiver(to);
  const now = session.guard.clock().getTime();
  const conditions = conditionsOf(session, wanted, now);
  const attr = {
    grant: authorization_details,
    depth: session.links.length + 1,
    may_delegate: conditions.may_delegate,
    max_depth: conditions.max_depth,
    expires_in: Math.ceil((conditions.expires_at - now) / 1000),
  };

  let child: SessionContext | undefined;
  const decision = await decide(
    session,
    { kind: `a2a_${agent.id}`, action: "delegate", attr },
    {
      withinGrants: async (identified, hop) => {
        const grant = readGrant(session, hop.attr.grant);
        const link: DelegationLink = { id: crypto.randomUUID(), agent, grant, ...conditions };
        refuseInvalid(session, identified, link);
        child = sessionContext(session.guard, { ...session, agent, links: [...session.links, link] });
        await refuseBeyondSubject(child, link);
        return Object.freeze({ ...hop, attr: Object.freeze({ ...hop.attr, grant }) });
      },
    },
  );
  if (decision.effect === "deny") return decision;
  decision.settle("done");
  return child as unknown as SessionContext;
}

function receiver(to: unknown): Agent {
  const agent = parseAgent(typeof to === "string" ? { id: to } : to, "delegate.to");
  assertKindPart(agent.id, "delegate.to");
  return agent;
}

/** @throws {Refusal} for what an agent, or its model, has written wrongly. */
function readGrant({ guard }: SessionContext, given: unknown): Grant & JsonValue {
  const { data, error } = grantSchema.safeParse(given);
  if (!data) {
    const [issue] = error.issues;
    const place = ["authorization_details", ...(issue?.path ?? []).map(String)].join(".");
    throw invalid(`${place}: ${issue?.message ?? "is no list of grants"}.`);
  }
  // A grant is about models themselves, by whatever name they were asked for.
  const grant = data.map((details) =>
    details.type === "llm_model" && details.identifier !== undefined
      ? { ...details, identifier: guard.models.namesOf(details.identifier)?.at(-1) ?? details.identifier }
      : details,
  );
  return snapshot(grant) as Grant & JsonValue;
}

/** What is asked for; where nothing is, what holds for the delegating agent. */
function conditionsOf(
  { guard, links }: SessionContext,
  { mayDelegate, maxDepth, expiresIn }: Omit<z.output<typeof delegateSchema>, "to" | "authorization_details">,
  now: number,
): Pick<DelegationLink, "may_delegate" | "max_depth" | "expires_at"> {
  const from = links.at(-1);
  const until = Math.floor(now + (expiresIn ?? DEFAULT_LIFE_SECONDS) * 1000);
  return {
    may_delegate: mayDelegate,
    max_depth: maxDepth ?? from?.max_depth ?? guard.delegation.maxDepth,
    expires_at: expiresIn === undefined ? Math.min(until, from?.expires_at ?? Infinity) : until,
  };
}

function refuseInvalid(
  { guard, root, links }: SessionContext,
  { proof }: Identified,
  link: DelegationLink,
): void {
  const reason = whyInvalid(link, { root, links, limits: tokenLimits(proof) }, guard.delegation);
  if (reason !== undefined) throw invalid(reason);
}

/**
 * The user is the upper bound: what policies never allow, in that agent's hands, cannot be handed to it. Models, and names that stand for many
 * actions, cannot be asked about beforehand: each call is decided.
 */
async function refuseBeyondSubject(child: SessionContext, { grant, agent }: DelegationLink): Promise<void> {
  const questions = grant.flatMap(({ type, actions }): Question[] => {
    const exact = actions.filter((action) => !action.endsWith("*"));
    const named = namedBy(type);
    if (exact.length === 0 || !named) return [];
    const { name, attribute } = named;
    return [{ kind: type, id: name, attr: { [attribute]: name }, actions: exact, plan: true }];
  });
  if (questions.length === 0) return;
  const seen = await lookUp(
    child,
    { kind: `a2a_${agent.id}`, name: agent.id, action: "delegate" },
    questions,
  );
  if ("effect" in seen) throw new Refusal(seen.denial.code, seen.denial);
  for (const [index, answers] of seen.entries())
    for (const [action, visibility] of answers)
      if (visibility === "never") {
        const what = `${questions[index]?.kind}: ${action}`;
        throw invalid(`authorization_details: ${what} is more than policies ever allow to ${agent.id} here.`);
      }
}

const invalid = (reason: string): Refusal => new Refusal("delegation_invalid", { reason });
