import type { Hop } from "../../../core/hop";
import type { ModelCall } from "./model-call";
import type { DeclaredTool } from "./request-scan";

/**
 * Many requests as one. Checks of one model cannot share a request to the PDP, so what is alike is asked about once, and fifty thousand lines
 * leave no more behind than what is different in them.
 */
export class CollectedCalls {
  readonly #hops = new Map<string, Hop>();
  readonly #tools = new Map<string, DeclaredTool>();
  #model = "";

  add({ model, hops, declared }: ModelCall): void {
    if (this.#hops.size === 0) this.#model = model;
    for (const hop of hops) this.#hops.set(JSON.stringify(hop), hop);
    for (const tool of withoutDeclarations(declared?.tools ?? [])) this.#tools.set(tool.name, tool);
  }

  toCall(action: string): ModelCall {
    return {
      model: this.#model,
      action,
      hops: [...this.#hops.values()],
      declared: { tools: [...this.#tools.values()], chosenTools: new Set() },
    };
  }
}

/** By name alone: nothing can be taken out of a batch, or of what has been sent; whoever sent it would not learn what was changed. */
export function withoutDeclarations(tools: readonly DeclaredTool[]): readonly DeclaredTool[] {
  return tools.map(({ name }) => ({ name, list: undefined, entry: null }));
}
