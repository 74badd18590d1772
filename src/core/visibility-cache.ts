import type { PlanKind } from "./ports";
import type { CheckedPrincipal } from "./principal";

/**
 * Whether a principal may use a thing: whatever the arguments (`always`), depending on them (`conditional`), or in no case (`never`, hidden).
 * It is for showing and hiding only; each call is checked on its own arguments.
 */
export type Visibility = PlanKind;

const ORDER: readonly Visibility[] = ["never", "conditional", "always"];

/** Of several answers, all of which count, the one that allows the least; of none, `never`. */
export function least(seen: readonly Visibility[]): Visibility {
  const places = seen.map((visibility) => ORDER.indexOf(visibility));
  return ORDER[places.length > 0 ? Math.min(...places) : 0] ?? "never";
}

/** More than a session's servers can sensibly list; a server that makes names up cannot fill the memory. */
const MAX_REMEMBERED = 10_000;

/** Remembers visibility within a session, for seconds, and for as long as the principal is the same. A decision is never remembered. */
export class VisibilityCache {
  #principals: readonly CheckedPrincipal[] | undefined;
  readonly #entries = new Map<string, { readonly until: number; readonly visibility: Visibility }>();

  constructor(readonly ttlMs: number) {}

  /** What is remembered about these principals; what was about others is forgotten. */
  of(principals: readonly CheckedPrincipal[]): this {
    if (this.#principals !== principals || this.#entries.size > MAX_REMEMBERED) this.#entries.clear();
    this.#principals = principals;
    return this;
  }

  get(key: string): Visibility | undefined {
    const entry = this.#entries.get(key);
    return entry && entry.until > performance.now() ? entry.visibility : undefined;
  }

  set(key: string, visibility: Visibility): void {
    if (this.ttlMs > 0) this.#entries.set(key, { until: performance.now() + this.ttlMs, visibility });
  }
}
