import { findDenial } from "hopguard";
import { guardFetch, type Fetch } from "hopguard/fetch";
import { hopsOfCall, ORIGINS } from "./answer-oracle";
import { kindsOf, type AnswerPlan, type Exchange } from "./answer-plans";
import { callsShown, type ShownCall } from "./answer-reader";
import { written } from "./answer-wire";
import { PROVIDERS, requestOf } from "./answer-requests";
import type { Coverage, Outcome } from "./coverage";
import { hopsOf, type Provider } from "./model-oracle";
import { receive, type Seen } from "./model-upstream";
import { demand, type Arrival } from "./oracle";
import type { PdpServer } from "./pdp-endpoints";
import { inOrder } from "./play";
import { World } from "./world";

/** What an agent reads of an answer, and when it has read so much of it. */
interface Reading {
  readonly text: string;
  readonly chunks: readonly { readonly length: number; readonly at: number }[];
}

/** What an agent is shown of the tool calls in a model's answer is what it might call now. */
export async function playAnswers(plan: AnswerPlan, server: PdpServer, coverage: Coverage): Promise<void> {
  const world = await World.open(plan.circumstances, server, coverage);
  try {
    const seen: Seen[] = [];
    const began: number[] = [];
    const told = await inOrder(plan.circumstances.together, plan.exchanges, async (exchange, index) => {
      const { url, ...init } = requestOf(exchange, index);
      began[index] = world.ledger.moment();
      const response = await guardedFetch(world, exchange, index, seen, began)(url, init);
      return readAll(world, response);
    });
    for (const failure of told) if (failure instanceof Error) throw failure;
    for (const request of seen)
      for (const need of hopsOf(providerOf(plan, request), request)) demand(world, request, need);
    const shown = seen.flatMap((request) => callsRead(world, plan, request, told[request.call] as Reading));
    // By the order in which they were shown: of several ALLOWs for the same, the first is for whoever was shown it first.
    for (const { arrival, call } of shown.toSorted((one, other) => one.arrival.at - other.arrival.at))
      for (const need of hopsOfCall(call)) demand(world, arrival, need);
    for (const [index, exchange] of plan.exchanges.entries()) {
      const { text } = told[index] as Reading;
      const isAsked = seen.some(({ call }) => call === index);
      if (!isAsked) world.count(exchange.of, denialIn(text) ?? "silent");
      for (const [position, call] of isAsked ? exchange.calls.entries() : []) {
        const isShown = shown.some(({ call: { id } }) => id === idOf(index, position));
        world.count(exchange.of, isShown ? "reached" : outcomeOf(world, text), ...kindsOf(exchange, call));
      }
    }
  } finally {
    world.close();
  }
}

const providerOf = ({ exchanges }: AnswerPlan, { call }: Seen): Provider =>
  PROVIDERS[exchanges[call]?.format ?? "chat"];

/** The calls that an agent finds in the answer to its request, and when it could see each. */
function callsRead(
  { ledger }: World,
  { exchanges }: AnswerPlan,
  request: Seen,
  { text, chunks }: Reading,
): readonly { readonly arrival: Arrival; readonly call: ShownCall }[] {
  return callsShown(exchanges[request.call]?.format ?? "chat", text).map((call) => {
    const end = text.indexOf(call.id) + call.id.length;
    const at = chunks.find(({ length }) => length >= end)?.at ?? ledger.now;
    return { call, arrival: { ...request, at } };
  });
}

/** Why a call is not there: its own denial, or that of the answer which held it. */
function outcomeOf({ ledger }: World, text: string): Outcome {
  const denied = ledger.records.find(({ effect, flags }) => effect === "deny" && flags.includes("look_up"));
  return denialIn(text) ?? denied?.code ?? "silent";
}

function denialIn(text: string): Outcome | undefined {
  const told = [text, ...[...text.matchAll(/^data: ?(\{.*)$/gm)].map(([, data = ""]) => data)];
  return told.map(denialOf).find((code) => code !== undefined);
}

function denialOf(json: string): Outcome | undefined {
  try {
    return findDenial(JSON.parse(json))?.code;
  } catch {
    return undefined;
  }
}

const idOf = (index: number, position: number): string => `call_${index}_${position}`;

function guardedFetch(
  world: World,
  exchange: Exchange,
  index: number,
  seen: Seen[],
  began: readonly number[],
): Fetch {
  const { format, of, chunk } = exchange;
  const actor = world.actor(of);
  const calls = exchange.calls.map((call, position) => ({ ...call, id: idOf(index, position) }));
  const upstream: Fetch = async (input, init) => {
    seen.push(await receive(world, actor, began, input, init));
    const { type, text } = written({ ...exchange, calls });
    return new Response(inChunks(text, chunk), { headers: { "content-type": type } });
  };
  return guardFetch(actor.session, { ...PROVIDERS[format], fetch: upstream, tools: ORIGINS });
}

function inChunks(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  let from = 0;
  return new ReadableStream({
    pull(controller) {
      if (from < bytes.length) controller.enqueue(bytes.slice(from, (from += size)));
      else controller.close();
    },
  });
}

async function readAll(world: World, { body }: Response): Promise<Reading> {
  let text = "";
  const chunks: { length: number; at: number }[] = [];
  for await (const chunk of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    chunks.push({ length: text.length, at: world.ledger.moment() });
  }
  return { text, chunks };
}
