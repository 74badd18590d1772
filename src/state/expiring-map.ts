/** Entries that end by themselves. Those that have ended are let go of whenever the map has doubled, so that it never holds many of them. */
export class ExpiringMap<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly endsAt: number }>();
  #sweepAt = 1000;

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.endsAt > Date.now() ? entry.value : undefined;
  }

  /** `endsAt` in milliseconds since 1970; `Infinity` for never. */
  set(key: string, value: T, endsAt: number): void {
    this.#entries.set(key, { value, endsAt });
    if (this.#entries.size < this.#sweepAt) return;
    this.#sweep();
    this.#sweepAt = Math.max(1000, 2 * this.#entries.size);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  values(): readonly T[] {
    this.#sweep();
    return [...this.#entries.values()].map(({ value }) => value);
  }

  #sweep(): void {
    for (const [key, { endsAt }] of this.#entries) if (endsAt <= Date.now()) this.#entries.delete(key);
  }
}
