import type { JsonObject, JsonValue } from "../../core/json";
import { ListedTool, MAX_TOOLS, readPage, type Catalogue } from "../mcp/tool-catalogue";

/** A tool that is not known may be new. It is looked for no more often than this, in milliseconds. */
const LIST_AGAIN_MS = 1000;

/**
 * The tools of one's own server, whoever asks for them. Unlike those of a foreign server they may change: the newest definition counts. A tool
 * that a list leaves out stays known, since a server may list other tools to other users.
 */
export class OwnTools implements Catalogue {
  readonly #tools = new Map<string, ListedTool>();
  #listedAt = -Infinity;
  /** The server has said that its tools are others now. */
  #isStale = false;
  #changes = 0;

  get complete(): boolean {
    return performance.now() - this.#listedAt < LIST_AGAIN_MS;
  }

  set complete(isComplete: boolean) {
    this.#listedAt = isComplete ? performance.now() : -Infinity;
    this.#isStale = !isComplete;
  }

  get changes(): number {
    return this.#changes;
  }

  outdate(): void {
    this.#changes++;
    this.complete = false;
  }

  find(name: string): ListedTool | undefined {
    return this.#isStale ? undefined : this.#tools.get(name);
  }

  learn(page: readonly JsonValue[]): readonly JsonObject[] {
    const { definitions, isTwice } = readPage(page);
    return definitions.filter((definition) => {
      const { name } = definition;
      const known = this.#tools.get(name);
      if (!known && this.#tools.size >= MAX_TOOLS) return false;
      // What has not changed keeps its compiled schema.
      const tool = known?.isAsDefinedBy(definition) && !known.changed ? known : new ListedTool(definition);
      if (isTwice(name)) tool.markChanged();
      this.#tools.set(name, tool);
      return !tool.changed;
    });
  }
}
