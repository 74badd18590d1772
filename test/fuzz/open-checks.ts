import { isDeepStrictEqual } from "node:util";
import type { CheckOptions, Decision, Hop, StandardSchema } from "hopguard";
import { CHECK_KINDS, LOOK_UP, type CheckPlan, type OpenCheck } from "./check-plans";
import type { Coverage } from "./coverage";
import { demand } from "./oracle";
import { Violation } from "./violation";
import type { PdpServer } from "./pdp-endpoints";
import { inOrder, isFrozen } from "./play";
import { disguise } from "./values";
import { ALIASES, World } from "./world";

export async function playChecks(
  { circumstances: given, checks }: CheckPlan,
  server: PdpServer,
  coverage: Coverage,
): Promise<void> {
  const world = await World.open(given, server, coverage);
  try {
    await inOrder(given.together, checks, async (check) => {
      const began = world.ledger.moment();
      const { hop, after } = hopOf(check);
      const answer = world.actor(check.of).session.check(hop, optionsOf(check));
      after();
      const decision = await answer;
      judge(world, check, began, decision);
      const outcome = decision.effect === "allow" ? "reached" : decision.denial.code;
      world.count(check.of, outcome, check.label, ...(check.isLookUp ? [LOOK_UP] : []));
    }).then((answers) => {
      const failure = answers.find((answer) => answer instanceof Error);
      if (failure) throw failure;
    });
    for (const of of [0, 1] as const) judgeCounts(world, of, checks);
  } finally {
    world.close();
  }
}

function judge(world: World, check: OpenCheck, began: number, decision: Decision): void {
  if (decision.effect === "deny") return;
  const { hop } = decision;
  const arrival = { actor: world.actor(check.of), began, at: world.ledger.moment() };
  if (CHECK_KINDS[check.label] === "denied") throw new Violation("Allowed, and never should be:", check);
  if (!isFrozen(hop)) throw new Violation("What was allowed can be changed:", hop);
  if (!isDeepStrictEqual([hop.kind, hop.action], [check.kind, check.action]))
    throw new Violation("Another hop was allowed than was asked for:", check, hop);
  if (check.schema === "rejects" || check.schema === "throws")
    throw new Violation("Allowed with arguments that the schema refuses:", check);
  if (check.how === "as it is" && !isAsGiven(check, hop.attr))
    throw new Violation("Other attributes were allowed than were given:", check, hop);
  // An alias and what it stands for are both asked about.
  const ids =
    hop.kind === "llm_model"
      ? [hop.id, ...(Object.hasOwn(ALIASES, hop.id) ? [ALIASES[hop.id as keyof typeof ALIASES]] : [])]
      : [undefined];
  for (const id of hop.kind === "document" ? [hop.id] : ids) {
    const { kind, name, action, attr } = hop;
    const need = { kind, name, action, attr, isWhole: true, isLookUp: check.isLookUp };
    demand(world, arrival, { ...need, ...(id !== undefined && { id }) });
  }
}

/** Asking what would be decided is no attempt. */
function judgeCounts(world: World, of: 0 | 1, checks: readonly OpenCheck[]): void {
  const { session } = world.actor(of);
  const counted = world.ledger.counted.get(session.id) ?? 0;
  const attempts = checks.filter((check) => check.of === of && !check.isLookUp).length;
  if (counted > attempts) throw new Violation("More was counted than was attempted:", counted, attempts);
}

/** What only repeats the names, and what a schema has made of the arguments, is the guard's. */
function isAsGiven({ attr, schema, kind }: OpenCheck, found: Readonly<Record<string, unknown>>): boolean {
  const owned = [
    "server",
    "toolset",
    "agent",
    "tool",
    "prompt",
    ...(kind === "llm_model" ? ["requested"] : []),
  ];
  return Object.entries(attr).every(([name, value]) => {
    if (owned.includes(name)) return true;
    const expected =
      name === "arguments" && schema === "coerces" ? COERCED : (JSON.parse(JSON.stringify(value)) as unknown);
    return isDeepStrictEqual(found[name], expected);
  });
}

const COERCED = { coerced: true };

function optionsOf({ isLookUp, refuse, schema }: OpenCheck): CheckOptions {
  const validate: Readonly<Record<OpenCheck["schema"], StandardSchema["~standard"]["validate"]>> = {
    none: (value) => ({ value }),
    accepts: (value) => ({ value }),
    coerces: () => Promise.resolve({ value: COERCED }),
    rejects: () => ({ issues: [{ message: "no" }] }),
    throws: () => {
      throw new Error("broken");
    },
  };
  return {
    ...(isLookUp && { lookUp: true }),
    ...(refuse && { refuse: { code: "unsupported_hop" } }),
    ...(schema !== "none" && { schema: { "~standard": { validate: validate[schema] } } }),
  };
}

function hopOf({ kind, id, action, attr, how, isShifty }: OpenCheck): { hop: Hop; after: () => void } {
  const { value, after } = disguise(attr, how);
  const hop = { kind, id, action, attr: value };
  const evil = { kind: "llm_model", id: "evil", action: "evil", attr: { evil: true } };
  if (!isShifty) {
    const change = (): void => {
      Object.assign(hop, evil);
      after();
    };
    return { hop: hop as Hop, after: change };
  }
  const members = Object.keys(hop).map((name) => {
    let reads = 0;
    const get = (): unknown => ((reads++ === 0 ? hop : evil) as Record<string, unknown>)[name];
    return [name, { get, enumerable: true }] as const;
  });
  return { hop: Object.defineProperties({}, Object.fromEntries(members)) as Hop, after };
}
