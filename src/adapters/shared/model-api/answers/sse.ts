/** One server-sent event, and the very text that it came as. */
export interface ServerSentEvent {
  readonly raw: string;
  /** The `event` field; `undefined` where there is none. */
  readonly name: string | undefined;
  /** The lines of `data`, joined; empty for a comment or a ping without data. */
  readonly data: string;
}

/** Whether an answer is a stream of events. */
export function isEventStream(headers: Headers): boolean {
  return /^text\/event-stream\s*(?:;|$)/i.test(headers.get("content-type") ?? "");
}

/** A blank line: two ends of lines in a row, of whichever of the three kinds. A last `\r` may be half of one. */
const BLANK_LINE = /(?:\r\n|\n|\r(?!\n|$)){2}/g;
const LINE_END = /\r\n|\n|\r/;
/** As far back as a blank line may have begun before the chunk that ends it. */
const OVERLAP = 3;

/** Cuts a text that arrives in chunks of any size after the last whole event. */
export class EventCutter {
  readonly #pending: string[] = [];
  #overlap = "";
  #length = 0;

  /** Characters that wait for the end of their event. */
  get pending(): number {
    return this.#length;
  }

  /** The whole events that the chunk completes, as one text. */
  take(chunk: string): string {
    // Only what is new is searched: an event of megabytes may come in bytes.
    const end = lastBlankLine(this.#overlap + chunk) - this.#overlap.length;
    if (end <= 0) {
      this.#keep(chunk);
      return "";
    }
    const whole = this.rest() + chunk.slice(0, end);
    this.#keep(chunk.slice(end));
    return whole;
  }

  /** What is left, which may be an event that lacks its blank line: some readers take it for one. */
  rest(): string {
    const text = this.#pending.join("");
    this.#pending.length = this.#length = 0;
    this.#overlap = "";
    return text;
  }

  #keep(text: string): void {
    if (text === "") return;
    this.#pending.push(text);
    this.#length += text.length;
    this.#overlap = (this.#overlap + text).slice(-OVERLAP);
  }
}

function lastBlankLine(text: string): number {
  // What nearly every chunk ends with.
  if (text.endsWith("\n\n")) return text.length;
  let end = 0;
  for (const { index, 0: found } of text.matchAll(BLANK_LINE)) end = index + found.length;
  return end;
}

/** The events of a text that was cut after an event. */
export function parseEvents(text: string): readonly ServerSentEvent[] {
  const events: ServerSentEvent[] = [];
  let start = 0;
  for (const { index, 0: found } of text.matchAll(BLANK_LINE)) {
    const end = index + found.length;
    events.push(parseEvent(text.slice(start, end)));
    start = end;
  }
  if (start < text.length) events.push(parseEvent(text.slice(start)));
  return events;
}

/** @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
function parseEvent(raw: string): ServerSentEvent {
  let name: string | undefined;
  let isKnown = true;
  const data: string[] = [];
  // A byte order mark may begin the stream.
  for (const line of raw.replace(/^\uFEFF/, "").split(LINE_END)) {
    const [, field = line, value = ""] = /^([^:]*): ?([^]*)$/.exec(line) ?? [];
    if (field === "data") data.push(value);
    else if (field === "event") name = value;
    else if (field !== "" && field !== "id" && field !== "retry") isKnown = false;
  }
  const event = { raw, name, data: data.join("\n") };
  // Readers differ in what they make of other lines, so those are not passed on.
  return isKnown ? event : { ...event, raw: data.length > 0 ? writeEvent(event.data, name) : "" };
}

/** An event as it goes out. */
export function writeEvent(data: string, name: string | undefined): string {
  const lines = data.split("\n").map((line) => `data: ${line}\n`);
  return `${name === undefined ? "" : `event: ${name}\n`}${lines.join("")}\n`;
}
