import type { Identified } from "./identification";
import type { PlanKind } from "./ports";

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

/** What an answer rests on: whom the PDP is asked about, with which limits, and the token that it reads itself. */
type Basis = Pick<Identified, "checked" | "grants" | "auxData">;

/** What is remembered on one basis. */
export interface RememberedVisibility {
  get(key: string): Visibility | undefined;
  set(key: string, visibility: Visibility): void;
}

/** Remembers visibility within a session, for seconds, and for as long as it rests on the same. A decision is never remembered. */
export class VisibilityCache {
  #basis: Basis | undefined;
  #entries = new Map<string, { readonly until: number; readonly visibility: Visibility }>();

  constructor(readonly ttlMs: number) {}

  /** What rested on anything else is forgotten; a look-up that is still under way on that writes into what nobody reads any more. */
  of({ checked, grants, auxData }: Basis): RememberedVisibility {
    const last = this.#basis;
    const isSame = last?.checked === checked && last.grants === grants && last.auxData === auxData;
    if (!isSame || this.#entries.size > MAX_REMEMBERED) this.#entries = new Map();
    this.#basis = { checked, grants, auxData };
    const entries = this.#entries;
    return {
      get: (key) => {
        const entry = entries.get(key);
        return entry && entry.until > performance.now() ? entry.visibility : undefined;
      },
      set: (key, visibility) => {
        if (this.ttlMs > 0) entries.set(key, { until: performance.now() + this.ttlMs, visibility });
      },
    };
  }
}
