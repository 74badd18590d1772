import { ConfigurationError } from "./errors";
import type { AttributeProvider } from "./ports";
import { RESERVED_ATTRIBUTES } from "./principal";

/**
 * The providers with each behind those that it waits for.
 *
 * @throws {ConfigurationError} for one that waits for nobody known, or in a circle, or would set a name of the guard's own.
 */
export function providersInOrder(providers: readonly AttributeProvider[]): readonly AttributeProvider[] {
  for (const provider of providers) assertSound(provider);
  const ordered: AttributeProvider[] = [];
  const waiting = [...providers];
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ after = [] }) =>
      after.every((name) => ordered.some((done) => done.name === name)),
    );
    const [provider] = waiting.splice(next, next < 0 ? 0 : 1);
    if (!provider) {
      const names = waiting.map(({ name }) => name).join(", ");
      throw new ConfigurationError(
        `createGuard.enrich: ${names} wait for a provider that is not there, or in a circle`,
      );
    }
    ordered.push(provider);
  }
  return ordered;
}

function assertSound({ name, adds = "facts", keys = [], cache }: AttributeProvider): void {
  const wrong = (problem: string): ConfigurationError =>
    new ConfigurationError(`createGuard.enrich.${name}.${problem}`);
  if (!["facts", "principal", "agent", "task"].includes(adds)) {
    throw wrong("adds: expected facts, principal, agent or task");
  }
  if (adds !== "facts" && keys.length === 0) throw wrong(`keys: say what it adds to the ${adds}`);
  const reserved = adds === "task" ? ["id"] : RESERVED_ATTRIBUTES;
  const own = keys.find((key) => reserved.includes(key) || key === "__proto__");
  if (own !== undefined) throw wrong(`keys: ${own} is a name of the guard's own`);
  if (cache && !(["hop", "session"].includes(cache.per) && cache.ttlMs > 0)) {
    throw wrong('cache: expected { per: "hop" or "session", ttlMs: milliseconds above 0 }');
  }
}
