import type { ModelCall } from "./model-call";

/** What a provider keeps under an id, and what can be done with it later. */
export type ResourceKind = "batch_file" | "batch" | "batch_output" | "response" | "turn" | "thread";

/** How much is remembered of each kind. Forgetting is safe: what is not known here is denied. */
export interface RememberedAtMost {
  readonly calls: number;
  /** And as many times a hundred characters of what the calls have declared. */
  readonly hops: number;
}

const CHARACTERS_A_HOP = 100;

interface Remembered {
  readonly call: ModelCall;
  /** In hops. */
  readonly weight: number;
}

const OF_A_CLIENT: RememberedAtMost = { calls: 1_000, hops: 100_000 };

/**
 * What a guarded client and its copies have created at the provider, by id, with the call that it came from. A later request that names only the id
 * is decided as that call again, under the policies and the authority of then. The oldest is forgotten when there is too much.
 */
export class CreatedResources {
  readonly #kinds = new Map<ResourceKind, { readonly calls: Map<string, Remembered>; hops: number }>();

  constructor(private readonly atMost = OF_A_CLIENT) {}

  /** @param endpoint the base URL: another provider may answer with the id of something that this one keeps. */
  remember(kind: ResourceKind, endpoint: string, id: string, call: ModelCall): void {
    const kept = this.#kinds.get(kind) ?? { calls: new Map<string, Remembered>(), hops: 0 };
    this.#kinds.set(kind, kept);
    const forget = (key: string): void => {
      kept.hops -= kept.calls.get(key)?.weight ?? 0;
      kept.calls.delete(key);
    };
    const key = keyOf(endpoint, id);
    forget(key);
    const weight = weightOf(call);
    kept.calls.set(key, { call, weight });
    kept.hops += weight;
    for (const oldest of kept.calls.keys()) {
      if (kept.calls.size <= this.atMost.calls && kept.hops <= this.atMost.hops) break;
      forget(oldest);
    }
  }

  find(kinds: readonly ResourceKind[], endpoint: string, id: string): ModelCall | undefined {
    const key = keyOf(endpoint, id);
    for (const kind of kinds) {
      const remembered = this.#kinds.get(kind)?.calls.get(key);
      if (remembered) return remembered.call;
    }
    return undefined;
  }
}

function weightOf({ hops, declared }: ModelCall): number {
  const { tools = [], hosted = [] } = declared ?? {};
  return hops.length + Math.floor(JSON.stringify([tools, hosted]).length / CHARACTERS_A_HOP);
}

function keyOf(endpoint: string, id: string): string {
  return JSON.stringify([endpoint, id]);
}
