import fc from "fast-check";
import { findDenial } from "hopguard";
import { guardFetch, type Fetch } from "hopguard/fetch";
import { carried, CARRIERS, type Carrier } from "./carriers";
import { either, seldom, sometimes } from "./chance";
import { circumstances, type Circumstances } from "./circumstances";
import { outcomeOf, type Coverage, type Expectation } from "./coverage";
import { Members, readLoosely } from "./loose-json";
import { scan } from "./loose-scan";
import { hopsOf, type Provider } from "./model-oracle";
import type { ModelRequest } from "./model-requests";
import { CALL_HEADER, receive, type Seen } from "./model-upstream";
import { demandShown } from "./demand-shown";
import { demand } from "./oracle";
import { Violation } from "./violation";
import type { PdpServer } from "./pdp-endpoints";
import { inOrder } from "./play";
import { World, type Actor } from "./world";

interface ModelCall {
  readonly request: ModelRequest;
  readonly carrier: Carrier;
  readonly of: 0 | 1;
  readonly isAborted: boolean;
}

interface Plan {
  readonly circumstances: Circumstances;
  /** What happens to declared tools that may never be used, if anything is known of them. */
  readonly hiddenTools: "remove" | "deny" | undefined;
  readonly calls: readonly ModelCall[];
}

/** Where declared tools belong. Of another one nothing is known. */
const ORIGINS = { refund: { server: "payments" }, search: { toolset: "desk" }, delete: { toolset: "desk" } };
const ORIGIN_KINDS: Readonly<Record<string, string>> = {
  refund: "mcp_payments",
  search: "tool_desk",
  delete: "tool_desk",
};

export function modelPlan(requests: fc.Arbitrary<ModelRequest>): fc.Arbitrary<Plan> {
  const call = fc.record({
    request: requests,
    carrier: fc.oneof(
      { weight: 1, arbitrary: fc.constant<Carrier>("a string") },
      { weight: 1, arbitrary: fc.constantFrom(...CARRIERS) },
    ),
    of: either,
    isAborted: sometimes(2),
  });
  return fc.record({
    circumstances,
    hiddenTools: seldom(60, fc.constantFrom("remove" as const, "deny" as const)),
    calls: fc.array(call, { minLength: 1, maxLength: 4 }),
  });
}

const carrierKind = (provider: Provider, carrier: Carrier): string =>
  `${provider.api}: carried as ${carrier}`;

export function modelKinds(
  provider: Provider,
  kinds: Readonly<Record<string, Expectation>>,
): Readonly<Record<string, Expectation>> {
  return {
    ...kinds,
    ...Object.fromEntries(
      CARRIERS.map((carrier) => [
        carrierKind(provider, carrier),
        carrier === "search params" ? "denied" : ("both" as const),
      ]),
    ),
    [`${provider.api}: aborted before`]: "denied",
  };
}

/** Only what carries a body of JSON, and might have come through, says something about the way. */
const isCarried = ({ expects, body }: ModelRequest): boolean =>
  expects === "both" && body !== undefined && "text" in body;

export function playModels(
  provider: Provider,
): (plan: Plan, server: PdpServer, coverage: Coverage) => Promise<void> {
  return async (plan, server, coverage) => {
    const world = await World.open(plan.circumstances, server, coverage);
    try {
      await play(provider, plan, world);
    } finally {
      world.close();
    }
  };
}

async function play(provider: Provider, plan: Plan, world: World): Promise<void> {
  const seen: Seen[] = [];
  const began: number[] = [];
  const fetches = [
    guardedFetch(provider, plan, world.actor(0), world, seen, began),
    guardedFetch(provider, plan, world.actor(1), world, seen, began),
  ];
  const told = await inOrder(plan.circumstances.together, plan.calls, async (call, index) => {
    const tag = [CALL_HEADER, String(index)] as const;
    const draft = { ...call.request, headers: [...call.request.headers, tag] };
    const { input, init, after } = await carried(draft, call.carrier, '{"model":"evil"}');
    if (call.isAborted)
      Object.defineProperty(init, "signal", { value: AbortSignal.abort(), enumerable: true });
    began[index] = world.ledger.moment();
    const answer = fetches[call.of]?.(input, init);
    after();
    const response = await answer;
    const body: unknown = await response?.json();
    if (response?.status === 200) judgeCatalogue(world, call, body);
    return body;
  });
  for (const failure of told) if (failure instanceof Violation) throw failure;
  for (const one of seen) judge(provider, plan, world, one);
  for (const [index, call] of plan.calls.entries()) {
    const isReached = seen.some((one) => one.call === index);
    count(provider, call, told[index], isReached, world);
  }
}

function count(provider: Provider, call: ModelCall, told: unknown, isReached: boolean, world: World): void {
  const outcome = isReached && !findDenial(told) ? "reached" : outcomeOf(told);
  // What a catalogue may show is found out after the provider was asked.
  if (isReached && outcome !== "reached" && !call.request.kind.endsWith("the catalogue"))
    throw new Violation("A request came upstream, and its sender was told that it was denied:", call);
  if (call.isAborted) {
    world.count(call.of, outcome, `${provider.api}: aborted before`);
    return;
  }
  const kinds = [
    // In a carrier that is no carrier for it, a request says nothing about its kind.
    ...(call.carrier === "search params" ? [] : [call.request.kind]),
    ...(isCarried(call.request) ? [carrierKind(provider, call.carrier)] : []),
  ];
  world.count(call.of, outcome, ...kinds);
}

function guardedFetch(
  { api, ...provider }: Provider,
  { hiddenTools }: Plan,
  actor: Actor,
  world: World,
  seen: Seen[],
  began: readonly number[],
): Fetch {
  const upstream: Fetch = async (input, init) => {
    seen.push(await receive(world, actor, began, input, init));
    const data = ["gpt-4o", "o3", "claude-opus", "gpt-4\u043e"].map((id) => ({ id, object: "model" }));
    return Response.json({ object: "list", data });
  };
  return guardFetch(actor.session, {
    api,
    ...provider,
    fetch: upstream,
    ...(hiddenTools && { hiddenTools, tools: ORIGINS }),
  });
}

function judge(provider: Provider, { hiddenTools }: Plan, world: World, seen: Seen): void {
  // What was taken out of the body, or put in, was classified with it, or without.
  const isAsGiven = !hiddenTools && !world.circumstances.budget;
  const content = isAsGiven && seen.body && "text" in seen.body ? seen.body.text : undefined;
  for (const need of hopsOf(provider, seen))
    demand(world, seen, { ...need, ...(content !== undefined && { content }) });
  if (!hiddenTools || !seen.body || !("text" in seen.body)) return;
  const body = readLoosely(seen.body.text);
  for (const tool of body instanceof Members ? scan(body, true).tools : []) {
    const kind = Object.hasOwn(ORIGIN_KINDS, tool) ? ORIGIN_KINDS[tool] : undefined;
    if (kind === undefined) throw new Violation("A tool was declared that no map knows:", tool);
    demandShown(world, seen, { kind, action: `tools/call/${tool}` });
  }
}

/** Of a list of models, those are shown whose `list` is allowed. */
function judgeCatalogue(world: World, { request, of }: ModelCall, body: unknown): void {
  if (!request.kind.endsWith("the catalogue")) return;
  const arrival = { actor: world.actor(of), at: world.ledger.moment() };
  for (const { id } of (body as { data: { id: string }[] }).data) {
    demandShown(world, arrival, { kind: "llm_model", action: "list", id });
  }
}
