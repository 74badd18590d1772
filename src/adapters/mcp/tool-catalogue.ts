import { canonicalJson } from "../../core/digest";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json";
import { isToolName } from "../../core/names";
import type { StandardSchema } from "../../index";
import { jsonSchema } from "../shared/json-schema";

/** What a model reads of a tool and the guard goes by. A server that changes any of it changes what was consented to. */
const PINNED = ["title", "description", "inputSchema", "outputSchema", "annotations"];

/** Keywords that say nothing of the arguments. */
const NEUTRAL = new Set(["$schema", "$id", "$comment", "title", "description", "type"]);

/** A tool as its server defined it when it was first seen. */
export class ListedTool {
  readonly annotations: JsonObject | undefined;
  readonly inputSchema: JsonValue | undefined;
  readonly #pinned: string;
  #changed = false;
  #schema: StandardSchema | Error | undefined;

  constructor(definition: JsonObject) {
    const { annotations, inputSchema } = definition;
    this.annotations = isJsonObject(annotations) ? annotations : undefined;
    this.inputSchema = inputSchema;
    this.#pinned = fingerprint(definition);
  }

  /** Once true it stays so until the operator admits the tool: a server that goes back to its first definition is no more to be trusted. */
  get changed(): boolean {
    return this.#changed;
  }

  markChanged(): void {
    this.#changed = true;
  }

  isAsDefinedBy(definition: JsonObject): boolean {
    return fingerprint(definition) === this.#pinned;
  }

  /** What the server says of the arguments: `"nothing"` at all, that there are `"any"` (or none), or their types. */
  get typing(): "nothing" | "any" | "typed" {
    const schema = this.inputSchema;
    if (!isJsonObject(schema)) return "nothing";
    const isOpen = Object.entries(schema).every(([keyword, value]) => NEUTRAL.has(keyword) || isVoid(value));
    return isOpen ? "any" : "typed";
  }

  /** Compiled when it is first needed, and once. An error says why it cannot be. */
  get schema(): StandardSchema | Error {
    return (this.#schema ??= compiled(this.inputSchema));
  }
}

/** The definitions of a server's tools, by name, as a session has first seen them: over all its connections. */
export type Pins = Map<string, ListedTool>;

/** What a guard knows of a server's tools. */
export interface Catalogue {
  /** Whether every tool of the server has been seen, as far as the server has said. */
  complete: boolean;
  /** How often the server has said that its tools are others now. */
  readonly changes: number;
  /** The server has said that its tools are others now. */
  outdate(): void;
  find(name: string): ListedTool | undefined;
  /** Learns a page of a tool list, as the server sent it. Returns the definitions that may be shown. */
  learn(page: readonly JsonValue[]): readonly JsonObject[];
}

/** A server that makes names up cannot fill the memory. Tools beyond these are unlisted. */
export const MAX_TOOLS = 10_000;

/**
 * The tools of a server as one connection has seen them, held against the session's pins: a server that waits for a new connection to change
 * a tool gains nothing by it.
 */
export class ToolCatalogue implements Catalogue {
  readonly #seen = new Set<string>();
  complete = false;
  #changes = 0;

  constructor(
    private readonly pins: Pins,
    /** The tools whose definitions are taken anew on this connection. */
    private readonly admit: ReadonlySet<string>,
  ) {}

  get changes(): number {
    return this.#changes;
  }

  outdate(): void {
    this.#changes++;
    this.complete = false;
  }

  /** Only what this connection has seen: a server that is opened again is to say anew what its tools are. */
  find(name: string): ListedTool | undefined {
    return this.#seen.has(name) ? this.pins.get(name) : undefined;
  }

  /**
   * Learns a page of a tool list, as the server sent it. Returns the definitions that may be shown: of a name that a policy can
   * name, there once on the page, and what they were when they were first seen.
   */
  learn(page: readonly JsonValue[]): readonly JsonObject[] {
    const { definitions, isTwice } = readPage(page);
    return definitions.filter((definition) => {
      const tool = this.#pinned(definition.name, definition);
      if (!tool) return false;
      if (isTwice(definition.name) || !tool.isAsDefinedBy(definition)) tool.markChanged();
      return !tool.changed;
    });
  }

  #pinned(name: string, definition: JsonObject): ListedTool | undefined {
    const isNew = !this.pins.has(name);
    if (isNew && this.pins.size >= MAX_TOOLS) return undefined;
    if (isNew || (this.admit.has(name) && !this.#seen.has(name))) {
      this.pins.set(name, new ListedTool(definition));
    }
    this.#seen.add(name);
    return this.pins.get(name);
  }
}

/** A definition of a name that a policy can name. */
type NamedDefinition = JsonObject & { readonly name: string };

/** Reads a page of a tool list. Of two tools of one name nobody knows which one a call would reach. */
export function readPage(page: readonly JsonValue[]): {
  readonly definitions: readonly NamedDefinition[];
  readonly isTwice: (name: string) => boolean;
} {
  const definitions = page.filter(
    (item): item is NamedDefinition => isJsonObject(item) && isToolName(item.name),
  );
  const counts = new Map<string, number>();
  for (const { name } of definitions) counts.set(name, (counts.get(name) ?? 0) + 1);
  return { definitions, isTwice: (name) => counts.get(name) !== 1 };
}

function fingerprint(definition: JsonObject): string {
  return canonicalJson(PINNED.map((member) => definition[member] ?? null));
}

/** `true`, `{}` and `[]` as the value of a keyword leave everything open. */
function isVoid(value: JsonValue): boolean {
  return value === true || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
}

function compiled(schema: unknown): StandardSchema | Error {
  try {
    return jsonSchema(schema, "the tool's input schema");
  } catch (error) {
    return error as Error;
  }
}
