/** The formats of answers in which tool calls can stand. */
export const FORMATS = ["chat", "responses", "messages"] as const;
export type Format = (typeof FORMATS)[number];

/** A tool call as a model writes it. */
export interface WrittenCall {
  readonly id: string;
  readonly name: string;
  /** Its arguments, which need not be JSON. */
  readonly text: string;
}

/** How an answer is bent so that another reader might find another call in it, or one where the guard finds none. */
export type Twist =
  | "a call in an unknown place"
  | "a call of an unknown type"
  | "members that stand there twice"
  | "another content type"
  | "an answer that breaks off"
  | "more behind the end of a call"
  | "calls without an index"
  | "events by another name";

export interface Answer {
  readonly format: Format;
  readonly isStreamed: boolean;
  readonly calls: readonly WrittenCall[];
  readonly twist: Twist | undefined;
}

export type Json = Readonly<Record<string, unknown>>;

/** A call as each of the formats holds it. */
export const chatCall = ({ id, name, text }: WrittenCall, type: unknown = "function"): Json => ({
  id,
  type: typeof type === "string" ? type : "function",
  function: { name, arguments: text },
});
export const item = ({ id, name, text }: WrittenCall, type = "function_call"): Json => ({
  ...{ id, type, call_id: id, name, arguments: text },
});
export const block = ({ id, name }: WrittenCall, input: unknown, type = "tool_use"): Json => ({
  type,
  id,
  name,
  input,
});

export type Calls = readonly WrittenCall[];

/** What a call says that it is, if not what it should. */
export const typeOf = ({ twist }: Answer): string | undefined =>
  twist === "a call of an unknown type" ? "mystery" : undefined;
