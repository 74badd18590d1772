import type { Format } from "./answer-calls";
import { Members, readLoosely, type Loose } from "./loose-json";
import { Violation } from "./violation";

/** A tool call that an agent finds in an answer. */
export interface ShownCall {
  readonly id: string;
  readonly name: string;
  readonly args: unknown;
}

/**
 * Every call that any reader might find in an answer: what stands anywhere and has a name and arguments, and what the pieces of a stream make
 * together.
 *
 * @throws {Violation} for one that is not whole, or may be read in two ways.
 */
export function callsShown(format: Format, text: string): readonly ShownCall[] {
  const isStream = /^(?:event|data):/.test(text);
  const found = isStream ? callsInStream(format, text) : callsIn(readLoosely(text));
  return [...new Map(found.map((call) => [JSON.stringify(call), call])).values()];
}

function callsInStream(format: Format, text: string): readonly ShownCall[] {
  const growing = new Map<string, { id: string; name: string; text: string }>();
  const whole: ShownCall[] = [];
  for (const [, data = ""] of text.matchAll(/^data: ?(\{.*)$/gm)) {
    const event = readLoosely(data);
    for (const { key, id = "", name = "", text = "" } of PIECES[format](event)) {
      const call = growing.get(key) ?? { id, name: "", text: "" };
      growing.set(key, { id: call.id, name: call.name + name, text: call.text + text });
    }
    // Without arguments it is only the beginning of one that grows.
    whole.push(...callsIn(event).filter(({ args }) => JSON.stringify(args) !== "{}"));
  }
  return [...whole, ...[...growing.values()].map(({ id, name, text }) => ({ id, name, args: parsed(text) }))];
}

/** What has a name, and arguments or an input. */
function callsIn(value: Loose, outer = ""): readonly ShownCall[] {
  if (Array.isArray(value)) return value.flatMap((item) => callsIn(item, outer));
  if (!(value instanceof Members)) return [];
  const id = stringOf(value.get("id")) ?? outer;
  const name = stringOf(value.get("name"));
  const args = value.get("arguments") ?? value.get("input");
  const here =
    name === undefined || args === undefined
      ? []
      : [{ id, name, args: typeof args === "string" ? parsed(args) : plain(args) }];
  return [...here, ...value.entries.flatMap(([, member]) => callsIn(member, id))];
}

interface Piece {
  /** Pieces of one call have one key. */
  readonly key: string;
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly text?: string | undefined;
}

const PIECES: Readonly<Record<Format, (event: Loose) => readonly Piece[]>> = {
  chat: (event) =>
    listAt(event, "choices").flatMap((choice) =>
      listAt(choice, "delta", "tool_calls").map((call) => ({
        key: JSON.stringify([at(choice, "index"), at(call, "index")]),
        id: stringOf(at(call, "id")),
        name: stringOf(at(call, "function", "name")),
        text: stringOf(at(call, "function", "arguments")),
      })),
    ),
  responses: (event) => {
    const key = JSON.stringify(at(event, "output_index"));
    const type = at(event, "type");
    const item = at(event, "item");
    if (type === "response.function_call_arguments.delta")
      return [{ key, text: stringOf(at(event, "delta")) }];
    if (type !== "response.output_item.added" || at(item, "arguments") === undefined) return [];
    const text = stringOf(at(item, "arguments"));
    return [{ key, id: stringOf(at(item, "id")), name: stringOf(at(item, "name")), text }];
  },
  messages: (event) => {
    const key = JSON.stringify(at(event, "index"));
    const block = at(event, "content_block");
    const text = stringOf(at(event, "delta", "partial_json"));
    if (text !== undefined) return [{ key, text }];
    if (at(block, "input") === undefined) return [];
    return [{ key, id: stringOf(at(block, "id")), name: stringOf(at(block, "name")) }];
  },
};

function at(value: Loose | undefined, ...path: readonly string[]): Loose | undefined {
  return path.reduce((inner, name) => (inner instanceof Members ? inner.get(name) : undefined), value);
}

function listAt(value: Loose, ...path: readonly string[]): readonly Loose[] {
  const list = at(value, ...path);
  return Array.isArray(list) ? list : [];
}

function stringOf(value: Loose | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** Models write nothing at all where a tool takes nothing. */
function parsed(text: string): unknown {
  if (text === "") return {};
  try {
    return plain(readLoosely(text));
  } catch (error) {
    throw error instanceof Violation ? error : new Violation("A call was shown that is not whole:", text);
  }
}

function plain(value: Loose): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Members)) return value;
  const names = value.entries.map(([name]) => name);
  if (new Set(names).size < names.length) throw new Violation("A call may be read in two ways:", names);
  return Object.fromEntries(value.entries.map(([name, member]) => [name, plain(member)]));
}
