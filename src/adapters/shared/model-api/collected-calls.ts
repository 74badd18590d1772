import type { Hop } from "../../../core/hop";
import type { ModelCall } from "./model-call";
import type { DeclaredTool } from "./request-scan";
import { forRequests } from "./usage/estimate";

/** Requests that are alike. */
interface Alike {
  readonly hop: Hop;
  requests: number;
  /** Characters. */
  length: number;
}

/**
 * Many requests as one. Checks of one model cannot share a request to the PDP, so what is alike is asked about once, and fifty thousand lines
 * leave no more behind than what is different in them, and how many there are of each.
 */
export class CollectedCalls {
  readonly #alike = new Map<string, Alike>();
  readonly #tools = new Map<string, DeclaredTool>();
  #model = "";

  constructor(private readonly countsUsage: boolean) {}

  /** @param length characters of the request, which is left out of its hops. */
  add({ model, hops, declared }: ModelCall, length: number): void {
    if (this.#alike.size === 0) this.#model = model;
    for (const hop of hops) {
      const key = JSON.stringify(hop);
      const alike = this.#alike.get(key) ?? { hop, requests: 0, length: 0 };
      alike.requests++;
      alike.length += length;
      this.#alike.set(key, alike);
    }
    for (const tool of withoutDeclarations(declared?.tools ?? [])) this.#tools.set(tool.name, tool);
  }

  toCall(action: string): ModelCall {
    return {
      model: this.#model,
      action,
      hops: [...this.#alike.values()].map(({ hop, requests, length }) =>
        this.countsUsage ? forRequests(hop, requests, length) : hop,
      ),
      declared: { tools: [...this.#tools.values()], hosted: [], chosenTools: new Set() },
    };
  }
}

/** By name alone: nothing can be taken out of a batch, or of what has been sent; whoever sent it would not learn what was changed. */
export function withoutDeclarations(tools: readonly DeclaredTool[]): readonly DeclaredTool[] {
  return tools.map(({ name }) => ({ name, list: undefined, entry: null }));
}
