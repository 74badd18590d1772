import type { SessionContext } from "./context";
import { callWithin } from "./deadline";
import { digestJson } from "./digest";
import type { Evaluation } from "./evaluation";
import type { HopSnapshot } from "./hop";
import { isJsonObject, snapshot, type JsonObject, type JsonValue } from "./json";
import type { AttributeProvider } from "./ports";
import type { PdpPrincipal } from "./principal";

/** What providers have found out about principal, agent and task. */
export type AddedAttributes = Readonly<Record<"principal" | "agent" | "task", JsonObject>>;

/**
 * Finds out what the policy wants to know: facts go to the evaluation, what is said of principal, agent and task is returned. Providers run
 * side by side, except behind those that they come `after`. One that fails denies the hop, unless it is optional.
 */
export async function enrich(
  session: SessionContext,
  evaluation: Evaluation,
  hop: HopSnapshot,
  principal: PdpPrincipal,
  signal: AbortSignal | undefined,
  providers: readonly AttributeProvider[] = session.guard.enrich,
): Promise<AddedAttributes | undefined> {
  if (providers.length === 0) return undefined;
  const running = new Map<string, Promise<JsonObject>>();

  /** Resolves to what is to be added elsewhere than to the facts. */
  const run = async (provider: AttributeProvider): Promise<JsonObject> => {
    const { name, adds = "facts", keys = [], after = [], optional = false } = provider;
    for (const name of after) await running.get(name);
    if (!(provider.applies?.(hop) ?? true)) return {};
    try {
      const answer = await answerOf(session, evaluation, provider, hop, principal, signal);
      if (adds !== "facts") return membersOf(provider, answer);
      // A list holds one for each row.
      if (keys.length > 0) for (const row of [answer].flat()) membersOf(provider, row);
      evaluation.facts[name] = answer;
    } catch (error) {
      if (!optional) throw error;
      evaluation.notes.push(`attribute provider ${name}: ${String(error)}`);
    }
    return {};
  };
  // In the order in which they wait for one another, which the options have made sure of.
  for (const provider of providers) {
    const work = run(provider);
    // Who waits for it fails with it; nobody else hears of the rejection twice.
    work.catch(() => undefined);
    running.set(provider.name, work);
  }
  await Promise.all(running.values());
  const added: Record<keyof AddedAttributes, JsonObject> = { principal: {}, agent: {}, task: {} };
  // Of one name that several add, the last in this order counts: not whoever happens to be slower.
  for (const { name, adds = "facts" } of providers) {
    if (adds !== "facts") added[adds] = { ...added[adds], ...(await running.get(name)) };
  }
  return added;
}

/** The providers that say something of principal, agent or task, and those that they wait for: all that a look-up can know. */
export function aboutPrincipals(providers: readonly AttributeProvider[]): readonly AttributeProvider[] {
  const needed = new Set<string>();
  const chosen = providers.toReversed().filter(({ name, adds = "facts", after = [] }) => {
    const isNeeded = adds !== "facts" || needed.has(name);
    if (isNeeded) for (const before of after) needed.add(before);
    return isNeeded;
  });
  return chosen.toReversed();
}

/** A fresh answer, or one that is remembered for a while. Hops that ask for the same at once share a call. */
async function answerOf(
  session: SessionContext,
  { facts }: Evaluation,
  provider: AttributeProvider,
  hop: HopSnapshot,
  principal: PdpPrincipal,
  signal: AbortSignal | undefined,
): Promise<JsonValue> {
  const { name, after = [], cache, schema, timeoutMs = session.guard.timeoutMs } = provider;
  // Which others have answered already is chance.
  const known = Object.freeze(
    Object.fromEntries(after.flatMap((name) => (name in facts ? [[name, facts[name] as JsonValue]] : []))),
  );
  const ask = async (signal: AbortSignal | undefined): Promise<JsonValue> => {
    const result = await callWithin(timeoutMs, `attribute provider ${name}`, signal, async (signal) => {
      const given = await provider.provide({ hop, principal, facts: known, signal });
      return schema ? schema["~standard"].validate(given) : { value: given };
    });
    if (result.issues) throw new Error(`the answer of ${name} is not of the expected shape`);
    return snapshot(result.value, session.guard.limits);
  };
  if (!cache) return ask(signal);
  const { kind, action, attr } = hop;
  const asked = cache.per === "session" ? null : [kind, hop.name, action, attr, known];
  // The whole principal: a token that is renewed may speak for the same id with other roles.
  const key = await digestJson([name, { ...principal }, asked]);
  // Shared, so that the first to give up takes nothing from the others.
  return session.remembered.get(key, cache.ttlMs, () => ask(undefined));
}

/** @throws {Error} for an answer that adds what the provider has not declared. */
function membersOf({ name, keys = [] }: AttributeProvider, answer: JsonValue): JsonObject {
  if (!isJsonObject(answer)) throw new Error(`the answer of ${name} is not an object`);
  const undeclared = Object.keys(answer).find((key) => !keys.includes(key));
  if (undeclared !== undefined) throw new Error(`the answer of ${name} holds more than its keys`);
  return answer;
}
