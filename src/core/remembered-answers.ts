import type { JsonValue } from "./json";
import { remember } from "./remember";

/** More than a session can sensibly ask for; the oldest are asked for again. */
const MAX_REMEMBERED = 1000;

interface Entry {
  readonly answer: Promise<JsonValue>;
  /** On the monotonic clock. */
  readonly until: number;
}

/** Answers of providers, for as long as each of them says. A failure is not remembered. */
export class RememberedAnswers {
  readonly #entries = new Map<string, Entry>();

  get(key: string, ttlMs: number, ask: () => Promise<JsonValue>): Promise<JsonValue> {
    const known = this.#entries.get(key);
    if (known && performance.now() < known.until) return known.answer;
    // From the moment of asking: an answer is as old as its question.
    const entry = { answer: ask(), until: performance.now() + ttlMs };
    remember(this.#entries, key, entry, MAX_REMEMBERED);
    entry.answer.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return entry.answer;
  }
}
