import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import { unclearCall, type AnsweredCall } from "./answered-call";
import { readToolCall } from "./chat";

/** A call of a chat stream, piece by piece. */
export class GrowingCall {
  readonly #first: JsonObject;
  #kind: "function" | "custom" | undefined;
  #name: string | undefined;
  #text = "";
  #unclear: string | undefined;

  constructor(first: JsonObject) {
    this.#first = first;
  }

  get index(): JsonValue | undefined {
    return this.#first.index;
  }

  get id(): JsonValue | undefined {
    return this.#first.id;
  }

  /** Adds a piece. Answers whether every reader makes the same of it: some put repeated names together, some take the last. */
  grow({ type, function: called, custom }: JsonObject): boolean {
    const kind = custom === undefined ? "function" : "custom";
    this.#kind ??= kind;
    const part = called ?? custom;
    if (kind !== this.#kind || (called !== undefined && custom !== undefined) || !isKind(type, kind))
      this.#unclear = "The tool call is of two types, or of one that the guard does not know.";
    if (part === undefined || part === null) return true;
    const { name, arguments: args, input } = isJsonObject(part) ? part : { arguments: part };
    const text = args ?? input ?? "";
    if (typeof text === "string") this.#text += text;
    else this.#unclear = "The arguments are not text.";
    if (typeof name !== "string" || name === "") return true;
    if (this.#name !== undefined && this.#name !== name) this.#unclear = "The tool call has two names.";
    const isFirst = this.#name === undefined;
    this.#name = name;
    return isFirst;
  }

  /** The call as a list of `tool_calls` holds it. */
  whole(): JsonObject {
    const { index: _index, ...first } = this.#first;
    const kind = this.#kind ?? "function";
    const begun = first[kind];
    return {
      ...first,
      type: kind,
      [kind]: {
        ...(isJsonObject(begun) && begun),
        ...(this.#name !== undefined && { name: this.#name }),
        [kind === "custom" ? "input" : "arguments"]: this.#text,
      },
    };
  }

  read(): AnsweredCall {
    if (this.#unclear !== undefined) return unclearCall(this.#name, this.#unclear);
    return readToolCall(this.whole());
  }
}

function isKind(type: JsonValue | undefined, kind: string): boolean {
  return type === undefined || type === null || type === "" || type === kind;
}
