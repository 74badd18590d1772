/** A map of the most recently used: what has not been asked for longest makes room. */
export class RecentMap<Value> {
  readonly #values = new Map<string, Value>();

  constructor(
    private readonly max: number,
    private readonly forgotten: (value: Value, key: string) => void = () => undefined,
  ) {}

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) this.#touch(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.#touch(key, value);
    const [oldest] = this.#values;
    if (this.#values.size <= this.max || !oldest) return;
    this.#values.delete(oldest[0]);
    this.forgotten(oldest[1], oldest[0]);
  }

  delete(key: string): void {
    this.#values.delete(key);
  }

  #touch(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
  }
}
