import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { callWithin } from "../core/deadline";

/** Keys as they were published at one time. The same object while they are the same keys. */
export interface PublishedKeys {
  /** Finds the key that a token names, as jose asks for it. */
  readonly find: JWTVerifyGetKey;
}

/** Whose keys prove tokens. */
export interface KeySet {
  /** Rejects when there are none that are alive. */
  current(): Promise<PublishedKeys>;
  /** Others than these, for a token whose key is not among them; `undefined` when there are none, or it is too early to ask again. */
  otherThan(keys: PublishedKeys): Promise<PublishedKeys | undefined>;
}

/** Where keys are published. */
export interface KeySource {
  /** For messages. */
  readonly name: string;
  load(signal: AbortSignal): Promise<LoadedKeys>;
}

export interface LoadedKeys {
  readonly jwks: JSONWebKeySet;
  /** Milliseconds after which they are to be asked for again. Default: half of their life. */
  readonly refreshAfterMs?: number;
  /** Milliseconds for which they may be used, unless the operator says otherwise. Default 600000. */
  readonly maxAgeMs?: number;
}

/** How keys are kept. In milliseconds. */
export interface KeyLife {
  /** For how long keys prove anything once they were loaded, should they not be had again. Default: as their source says. */
  readonly keysMaxAgeMs?: number | undefined;
  /** How long after keys were loaded a token with an unknown key makes us ask for them again. */
  readonly cooldownMs: number;
  /** How long loading may take. */
  readonly timeoutMs: number;
  readonly clock: () => Date;
}

/** Keys that are known and do not change. */
export function fixedKeys(jwks: JSONWebKeySet): KeySet {
  const keys = { find: createLocalJWKSet(jwks) };
  return { current: () => Promise.resolve(keys), otherThan: () => Promise.resolve(undefined) };
}

/** After a failure: soon, because every hop is denied where no key is alive, and not with every hop. */
const RETRY_AFTER_MS = 1000;
const DEFAULT_MAX_AGE_MS = 600_000;

interface Kept {
  readonly keys: PublishedKeys;
  readonly text: string;
  readonly loadedAt: number;
  readonly refreshAfterMs: number;
  readonly maxAgeMs: number;
}

/**
 * Keys that are published somewhere and rotate. Loaded when first needed, one load at a time, and again in the background before their life ends, so
 * that a hop rarely waits and an outage is bridged as long as they live. Whoever sends tokens with invented keys causes one load per cool-down.
 */
export class RotatingKeys implements KeySet {
  readonly #source: KeySource;
  readonly #life: KeyLife;
  #kept: Kept | undefined;
  /** Of the last load. */
  #failure: unknown;
  #loading: { readonly since: number; readonly done: Promise<void> } | undefined;
  #lastLoadAt = -Infinity;

  constructor(source: KeySource, life: KeyLife) {
    this.#source = source;
    this.#life = life;
  }

  async current(): Promise<PublishedKeys> {
    const alive = this.#alive();
    if (!alive) await this.#refresh();
    else if (this.#since(alive.loadedAt) >= alive.refreshAfterMs) void this.#refresh();
    const { keys } = this.#alive() ?? {};
    if (keys) return keys;
    throw new Error(`the keys of ${this.#source.name} cannot be had: ${String(this.#failure)}`);
  }

  async otherThan(keys: PublishedKeys): Promise<PublishedKeys | undefined> {
    if (this.#kept?.keys === keys) await this.#refresh();
    const alive = this.#alive();
    return alive?.keys === keys ? undefined : alive?.keys;
  }

  /** In milliseconds; a clock that was set back makes things old, and not young for ever. */
  #since(time: number): number {
    return Math.abs(this.#life.clock().getTime() - time);
  }

  #alive(): Kept | undefined {
    return this.#kept && this.#since(this.#kept.loadedAt) < this.#kept.maxAgeMs ? this.#kept : undefined;
  }

  /** Never rejects: what is alive afterwards says how it went. */
  async #refresh(): Promise<void> {
    // Some runtimes drop what goes on when the request that began it is over: a load that is long past its deadline is nobody's.
    if (this.#loading && this.#since(this.#loading.since) <= 2 * this.#life.timeoutMs) {
      return this.#loading.done;
    }
    if (this.#since(this.#lastLoadAt) < this.#pauseMs()) return;
    const loading = { since: this.#life.clock().getTime(), done: this.#load() };
    this.#loading = loading;
    await loading.done;
    if (this.#loading === loading) this.#loading = undefined;
  }

  #pauseMs(): number {
    const alive = this.#alive();
    const pauseMs = alive && this.#failure === undefined ? alive.refreshAfterMs : RETRY_AFTER_MS;
    return Math.min(pauseMs, this.#life.cooldownMs);
  }

  async #load(): Promise<void> {
    const { name } = this.#source;
    try {
      this.#keep(
        await callWithin(this.#life.timeoutMs, name, undefined, (signal) => this.#source.load(signal)),
      );
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error ?? new Error("for no reason");
    }
    this.#lastLoadAt = this.#life.clock().getTime();
  }

  #keep({ jwks, ...loaded }: LoadedKeys): void {
    const text = JSON.stringify(jwks);
    const keys = text === this.#kept?.text ? this.#kept.keys : { find: createLocalJWKSet(jwks) };
    const maxAgeMs = this.#life.keysMaxAgeMs ?? loaded.maxAgeMs ?? DEFAULT_MAX_AGE_MS;
    this.#kept = {
      keys,
      text,
      loadedAt: this.#life.clock().getTime(),
      maxAgeMs,
      refreshAfterMs: Math.min(loaded.refreshAfterMs ?? Infinity, maxAgeMs / 2),
    };
  }
}
