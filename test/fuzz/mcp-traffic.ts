import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { seldom } from "./chance";
import { circumstances, type Circumstances } from "./circumstances";
import { outcomeOf, type Coverage, type Expectation, type Outcome } from "./coverage";
import { Connection } from "./mcp-connection";
import { judgeConnection } from "./mcp-judge";
import { MESSAGE_KINDS, step, type Step } from "./mcp-messages";
import type { ServerSetup } from "./mcp-oracle";
import type { Message } from "./mcp-server";
import type { PdpServer } from "./pdp-endpoints";
import { inOrder } from "./play";
import { disguise, DISGUISES, type Disguise, type Json, UNSENDABLE } from "./values";
import { World } from "./world";

interface Plan extends ServerSetup {
  readonly circumstances: Circumstances;
  /** What each client has done before. */
  readonly warmUp: readonly ("search" | "list")[];
  readonly steps: readonly Step[];
}

export const mcpPlan: fc.Arbitrary<Plan> = fc.record({
  circumstances,
  untyped: fc.constantFrom("allow", "deny"),
  overridden: fc.boolean(),
  inputRequest: seldom(10, fc.constantFrom("sampling/createMessage", "elicitation/create", "tools/call")),
  warmUp: fc.constantFrom<Plan["warmUp"]>([], ["search"], ["search", "list", "list"]),
  steps: fc.array(step, { minLength: 1, maxLength: 6 }),
});

const OPENING = "mcp: opening the server";
/** Whose arguments say something about the way in which arguments are given. */
const SAMPLES = ["mcp: call of a typed tool", "mcp: call of a tool with another schema"];
/** No tool among them takes a date in place of a member, or null for an amount. */
const isFit = (how: Disguise): boolean =>
  !UNSENDABLE.has(how) && how !== "a Date within" && how !== "NaN within";
const carrierKind = (how: string): string => `mcp: call, ${how}`;
export const MCP_KINDS: Readonly<Record<string, Expectation>> = {
  [OPENING]: "both",
  ...MESSAGE_KINDS,
  ...Object.fromEntries(DISGUISES.map((how) => [carrierKind(how), isFit(how) ? "both" : "denied"] as const)),
};

export async function playMcp(plan: Plan, pdps: PdpServer, coverage: Coverage): Promise<void> {
  // What a server fails at is given back, so what has come to it says nothing of what may still come.
  const world = await World.open({ ...plan.circumstances, budget: undefined }, pdps, coverage);
  const connections = [new Connection(world, 0, plan), new Connection(world, 1, plan)] as const;
  try {
    const opened = await inOrder(true, connections, (connection) => connection.open());
    for (const of of [0, 1] as const) {
      const isOpen = connections[of].server.startedAt !== undefined;
      world.count(of, isOpen ? "reached" : outcomeOf(opened[of]), OPENING);
    }
    await Promise.all(connections.map((connection) => warmUp(world, plan, connection)));
    const steps = plan.steps.filter(({ of }) => connections[of].server.startedAt !== undefined);
    const told = await inOrder(plan.circumstances.together, steps, (one, index) =>
      take(world, connections[one.of], one, index),
    );
    for (const connection of connections) judgeConnection(plan, world, connection);
    steps.forEach((one, index) => {
      const outcome = outcomeOfStep(world, connections[one.of], one, index, told[index]);
      const kinds = [
        ...(one.how === "as it is" ? [one.kind] : []),
        ...(SAMPLES.includes(one.kind) ? [carrierKind(one.how)] : []),
      ];
      world.count(one.of, outcome, ...kinds);
    });
  } finally {
    await Promise.all(connections.map((connection) => connection.close()));
    world.close();
  }
}

const WARM_UP = {
  search: { method: "tools/call", params: { name: "search", arguments: { q: "x" } } },
  list: { method: "tools/list", params: { cursor: "second" } },
};

async function warmUp(world: World, plan: Plan, connection: Connection): Promise<void> {
  if (connection.server.startedAt === undefined) return;
  for (const [index, what] of plan.warmUp.entries()) {
    const id = `warm-${index}`;
    connection.began.set(id, world.ledger.moment());
    await connection.send({ jsonrpc: "2.0", id, ...WARM_UP[what] }, id);
  }
}

const idOf = ({ id }: Step, index: number): string | undefined =>
  id === "own" ? `step-${index}` : undefined;

function take(world: World, connection: Connection, one: Step, index: number): Promise<unknown> {
  const id = idOf(one, index);
  const isObject = typeof one.message === "object" && one.message !== null && !Array.isArray(one.message);
  const given = structuredClone(one.message) as Message;
  // A notification is recognised by a member that means nothing.
  const message = !isObject
    ? given
    : id !== undefined
      ? { ...given, id }
      : { ...given, ...(one.id === "none" && { params: { ...(given.params as Message), step: index } }) };
  connection.began.set(id ?? index, world.ledger.moment());
  if (one.from === "server") return connection.hear(message, id);
  const args = one.how === "as it is" ? undefined : (message.params as Message).arguments;
  if (typeof args !== "object" || args === null) return connection.send(message, id);
  const { value, after } = disguise(args as Record<string, Json>, one.how);
  const params = { ...(message.params as Message), arguments: value };
  const sent = { ...message, params };
  const answer = connection.send(sent, id);
  after();
  Object.assign(params, { name: "delete" });
  return answer;
}

function outcomeOfStep(
  world: World,
  { server, delivered }: Connection,
  one: Step,
  index: number,
  told: unknown,
): Outcome {
  const id = idOf(one, index);
  const isReached =
    one.from === "server"
      ? delivered.some(({ message }) =>
          id === undefined ? isDeepStrictEqual(message, one.message) : message.id === id,
        )
      : server.sent.some(({ text }) => text.includes(id === undefined ? `"step":${index}}` : `"id":"${id}"`));
  const outcome = outcomeOf((told as Message | undefined)?.result ?? told);
  if (isReached) return "reached";
  if (outcome !== "silent") return outcome;
  const { method } = one.message as Message;
  const record = world.ledger.records.find(({ effect, hop }) => effect === "deny" && hop.action === method);
  return record?.code ?? "silent";
}
