import fc from "fast-check";
import {
  AuthorizationDeniedError,
  createGuard,
  type Decision,
  type Denial,
  type Guard,
  type Session,
} from "hopguard";
import { cerbos, type CerbosPdp } from "hopguard/cerbos";
import type { LocalPdp } from "hopguard/pdp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Grant, GrantedHop } from "../../src/core/grant";
import { auditRecorder, type AuditRecorder } from "../support/audit-recorder";
import {
  CHAIN_HOPS,
  CHAIN_POLICIES,
  chainPlans,
  MAX_DEPTH,
  requested,
  type Attempt,
  type ChainPlan,
} from "../support/chains";
import { tokenOf, trusting } from "../support/delegations";
import { permits, staysWithin } from "../support/grants";
import { startPdpWith } from "../support/policies";

const RUNS = Number(process.env.HOPGUARD_CHAIN_RUNS ?? 120);
const MAX_ROUNDS = 8;

let local: LocalPdp;
let pdp: CerbosPdp;
let alone: Guard;
beforeAll(async () => {
  local = await startPdpWith(CHAIN_POLICIES);
  pdp = cerbos(local.url, { timeoutMs: 20_000 });
  alone = createGuard({ pdp, audit: () => undefined, repeats: false, timeoutMs: 20_000 });
});
afterAll(async () => {
  pdp.close();
  await local.stop();
});

const toHop = ({ kind, id, action, attr }: GrantedHop) => ({
  kind,
  ...(kind === "llm_model" && { id }),
  action,
  attr,
});

/** What these roles alone may do, with no agent's grant in the way. It is the same for all runs, and so it is asked about once. */
const answers = new Map<string, Promise<boolean>>();
const bare = new Map<string, Promise<Session>>();
function mayAlone(roles: readonly string[], hop: GrantedHop): Promise<boolean> {
  const who = roles.toSorted().join();
  const session =
    bare.get(who) ?? alone.session({ principal: { id: "bare", roles }, agent: { id: "nobody" } });
  bare.set(who, session);
  const key = `${who} ${JSON.stringify(hop)}`;
  const answer =
    answers.get(key) ??
    session.then((session) => session.check(toHop(hop))).then(({ effect }) => effect === "allow");
  answers.set(key, answer);
  return answer;
}

/** What the property has seen. */
const seen = new Map<string, number>();
const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
const depths = [1, 2, 3, 4];
/** What it must have seen in order to have proven anything. */
const CLASSES: readonly string[] = [
  ...depths.flatMap((depth) => [`delegated, link ${depth}`, `allowed at depth ${depth}`]),
  ...depths.map((link) => `denied by the grant of link ${link}`),
  "denied by the token's own limit",
  "denied by the policy, to the user",
  ...["first", "middle", "last"].map((place) => `denied by the policy, to the ${place} agent`),
  ...["a wider grant", "more than the user may"].map(refusedFor),
  ...["an agent that may not delegate", "depth", "a cycle", "all that there was"].map(refusedFor),
];
function refusedFor(reason: string): string {
  return `delegation refused for ${reason}`;
}

interface Link {
  readonly agent: string;
  readonly roles: readonly string[];
  readonly grant: Grant;
}

interface Chain {
  /** From the user's agent on. */
  readonly sessions: readonly Session[];
  readonly last: Session;
  readonly links: readonly Link[];
}

/** Hands the work on as often as the plan says and the guard permits. */
async function delegated(plan: ChainPlan, guard: Guard): Promise<Chain> {
  const token = tokenOf({
    principal: { id: "user", roles: plan.user },
    ...(plan.limit && { authorizationDetails: plan.limit }),
  });
  let last = await guard.session({ token, agent: { id: "root", roles: plan.root } });
  const sessions = [last];
  const links: Link[] = [];
  for (const attempt of plan.attempts) {
    const grant = requested(attempt, links.at(-1)?.grant ?? plan.limit);
    const outcome = await handOn(last, attempt, grant);
    if ("decision" in outcome) {
      count(refusedFor(reasonOf(outcome)));
      continue;
    }
    last = outcome;
    // Nobody has handed on more than he had, and all above him.
    const above = [...(plan.limit ? [plan.limit] : []), ...links.map(({ grant }) => grant)];
    for (const limit of above)
      if (!staysWithin(grant, limit)) throw new Error(`wider: ${show({ grant, limit })}`);
    links.push({ agent: attempt.to, roles: attempt.roles, grant });
    sessions.push(last);
    count(`delegated, link ${links.length}`);
  }
  return { sessions, last, links };
}

async function handOn(session: Session, attempt: Attempt, grant: Grant): Promise<Session | Denial> {
  const { to, roles, mayDelegate, maxDepth } = attempt;
  try {
    return await session.delegate({
      to: { id: to, roles },
      authorization_details: grant,
      mayDelegate,
      ...(maxDepth !== undefined && { maxDepth }),
    });
  } catch (error) {
    if (AuthorizationDeniedError.isInstance(error)) return error.denial;
    throw error;
  }
}

function reasonOf({ code, reason }: Denial): string {
  if (code !== "delegation_invalid") return code;
  if (reason.includes("may not delegate")) return "an agent that may not delegate";
  if (/may have \d links|maxDepth/.test(reason)) return "depth";
  if (reason.includes("part of the chain")) return "a cycle";
  if (reason.includes("all that the delegating agent has")) return "all that there was";
  if (reason.includes("more than policies ever allow")) return "more than the user may";
  return "a wider grant";
}

const show = (value: unknown): string => JSON.stringify(value, undefined, 1);

/** Whether the last agent may do it: exactly if each grant, the user, and where agents are principals each agent permits it. */
async function expected(plan: ChainPlan, { links }: Chain, hop: GrantedHop): Promise<string> {
  const limits: readonly { readonly by: string; readonly grant: Grant }[] = [
    ...(plan.limit ? [{ by: "the token's own limit", grant: plan.limit }] : []),
    ...links.map(({ grant }, index) => ({ by: `the grant of link ${index + 1}`, grant })),
  ];
  const narrower = limits.find(({ grant }) => !permits(grant, hop));
  if (narrower) return `denied by ${narrower.by}`;
  if (!(await mayAlone(plan.user, hop))) return "denied by the policy, to the user";
  if (plan.agents === "principal") {
    // In the order in which they are asked about: the one that acts, and then from the first on.
    const agents = [
      { roles: plan.root, place: "first" },
      ...links.map(({ roles }) => ({ roles, place: "middle" })),
    ];
    const acting = { ...agents.pop(), roles: links.at(-1)?.roles ?? plan.root, place: "last" };
    for (const { roles, place } of [acting, ...agents])
      if (!(await mayAlone([...roles, "agent"], hop))) return `denied by the policy, to the ${place} agent`;
  }
  return `allowed at depth ${links.length}`;
}

/** What came of it, in the same words. */
function observed({ links }: Chain, decision: Decision): string {
  if (decision.effect === "allow") return `allowed at depth ${links.length}`;
  const { code, refused_by: by } = decision.denial;
  const place = links.findIndex(({ agent }) => agent === by) + 1;
  if (code === "delegation_invalid")
    return `denied by ${by === "subject" ? "the token's own limit" : `the grant of link ${place}`}`;
  if (code !== "policy_denied") return code;
  if (by === "subject") return "denied by the policy, to the user";
  const isLast = place === links.length;
  return `denied by the policy, to the ${isLast ? "last" : place === 0 ? "first" : "middle"} agent`;
}

async function play(plan: ChainPlan): Promise<void> {
  const audit = auditRecorder();
  const { agents, strict } = plan;
  const guard = createGuard({
    pdp,
    audit,
    agents,
    identity: trusting,
    repeats: false,
    timeoutMs: 20_000,
    delegation: { maxDepth: MAX_DEPTH, strict },
  });
  const chain = await delegated(plan, guard);
  if (chain.links.length === 0) return;
  await Promise.all(hopsOf(plan, chain.links).map((hop) => tried(plan, chain, hop, audit)));
}

function hopsOf({ hops }: ChainPlan, links: readonly Link[]): readonly GrantedHop[] {
  const permitted = links.map(({ grant }) => CHAIN_HOPS.filter((hop) => permits(grant, hop)));
  return hops.flatMap(([link, index]) => {
    const some = permitted[link] ?? CHAIN_HOPS;
    return some[index % some.length] ?? [];
  });
}

async function tried(plan: ChainPlan, chain: Chain, hop: GrantedHop, audit: AuditRecorder): Promise<void> {
  const { sessions, last, links } = chain;
  const [should, decision] = await Promise.all([expected(plan, chain, hop), last.check(toHop(hop))]);
  const did = observed(chain, decision);
  if (did !== should) throw new Error(`${did}; expected: ${should}\n${show({ hop, links })}`);
  count(did);
  if (decision.effect === "allow") {
    const above = await Promise.all(sessions.map((session) => session.check(toHop(hop))));
    const refused = above.find(({ effect }) => effect === "deny");
    if (refused) throw new Error(`more than an agent above may: ${show({ hop, links, refused })}`);
  } else if (decision.denial.code === "delegation_invalid") {
    const asked = audit.of(decision.decisionId).flatMap(({ pdp_call_ids }) => pdp_call_ids);
    if (asked.length > 0) throw new Error("a policy was asked about what was never granted");
  }
}

const missing = (): readonly string[] => CLASSES.filter((what) => !seen.has(what));

describe("what the last agent of a chain may do", () => {
  it(
    "is within what each link and the user may do, decided by the real PDP",
    { timeout: 300_000, retry: 0 },
    async () => {
      const property = fc.asyncProperty(chainPlans, play);
      // Some outcomes are rare: on until each has come up.
      for (let round = 0; round === 0 || (round < MAX_ROUNDS && missing().length > 0); round++) {
        await fc.assert(property, { numRuns: RUNS });
      }
    },
  );

  it("was tried: every class of outcomes came up", () => {
    const hops = [...seen].reduce(
      (sum, [what, times]) => (/^(allowed|denied)/.test(what) ? sum + times : sum),
      0,
    );
    const report = CLASSES.map((what) => `${String(seen.get(what) ?? 0).padStart(6)}  ${what}`).join("\n");
    console.log(`\n${report}\n\n${hops} hops of the last agents of chains, ${RUNS} a round`);
    expect(missing()).toEqual([]);
    expect(hops).toBeGreaterThan(2000);
  });
});
