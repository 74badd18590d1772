import type { JsonObject, JsonValue } from "../../../../core/json";
import type { Write } from "./ordered-writes";

/** An event as it was read. */
export interface ReadEvent {
  readonly event: JsonObject;
  /** As it came; `undefined` for one that is made here. */
  readonly raw: string | undefined;
}

/** Where the arguments stand, of the calls whose deltas can be held against the whole. */
const ARGUMENTS = new Map<JsonValue | undefined, "arguments" | "input">([
  ["function_call", "arguments"],
  ["custom_tool_call", "input"],
]);

/** A call of a Responses stream, from its `output_item.added` to its `output_item.done`. */
export class HeldItem {
  readonly #events: ReadEvent[] = [];
  readonly #wholes: JsonObject[] = [];
  #deltas = "";

  constructor(
    private readonly added: JsonObject,
    readonly fill: (write: Write) => void,
  ) {}

  take(read: ReadEvent): void {
    this.#events.push(read);
    const { type, delta } = read.event;
    if (typeof type !== "string") return;
    if (type.endsWith(".delta")) this.#deltas += text(delta);
    if (type.endsWith("arguments.done") || type.endsWith("input.done")) this.#wholes.push(read.event);
  }

  /** Whether every reader puts the same call together: some go by the first event, some by the deltas, some by the last. */
  isBuiltAs(done: JsonObject): boolean {
    if (["type", "call_id", "name"].some((member) => differs(this.added[member], done[member]))) return false;
    const member = ARGUMENTS.get(done.type);
    if (member === undefined) return true;
    const built = text(this.added[member]) + this.#deltas;
    const tellings = [{ [member]: built }, ...this.#wholes];
    return !tellings.some(
      (telling) => differs(telling[member], done[member]) || differs(telling.name, done.name),
    );
  }

  /** The events of a call that may be made. Parts that nothing can be held against are left out: the whole follows. */
  events(done: JsonObject): readonly ReadEvent[] {
    const [first, ...others] = this.#events;
    if (!first || ARGUMENTS.has(done.type)) return this.#events;
    const added = { ...first.event, item: { ...done, status: "in_progress" } };
    return [{ event: added, raw: undefined }, ...others.slice(-1)];
  }
}

function differs(begun: JsonValue | undefined, whole: JsonValue | undefined): boolean {
  return begun !== undefined && begun !== null && begun !== "" && begun !== whole;
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}
