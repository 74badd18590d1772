import { isJsonObject, type JsonLimits, type JsonObject, type JsonValue } from "../../../../core/json";
import type { CallChecks } from "./call-checks";
import { OrderedWrites } from "./ordered-writes";
import { OutputReview, readItem } from "./responses";
import { HeldItem, type ReadEvent } from "./responses-held-item";
import { writeEvent, type ServerSentEvent } from "./sse";
import type { StreamReview } from "./stream-review";
import { readObject, refuseCallsIn, unreadable } from "./unknown-places";

const SUSPECT = /_item|_call|_request|_use"|tool-?calls?"|"response"|\\u00/i;
/** Events that build the arguments of a call. */
const ARGUMENTS = /^response\.(?:function_call_arguments|custom_tool_call_input)\./;
/** Events that end a response, and repeat all of its output. */
const END = /^(?:response\.(?:completed|incomplete|failed|cancelled)|error)$/;

/**
 * The stream of OpenAI's Responses. A call is held from `output_item.added` to `output_item.done`, and what comes behind it waits, because SDKs count
 * items in the order of their beginnings. A denied call becomes a message in its place, and what repeats it repeats the message.
 */
export class ResponsesStream implements StreamReview {
  readonly writes = new OrderedWrites();
  readonly #output: OutputReview;
  readonly #held = new Map<JsonValue | undefined, HeldItem>();
  /** The number of the next event, where events are numbered, and whether it is another than the provider gave. */
  #next = 0;
  #isRenumbered = false;

  constructor(
    checks: CallChecks,
    private readonly limits: JsonLimits,
  ) {
    this.#output = new OutputReview(checks);
  }

  mayPass(text: string): boolean {
    return this.writes.isEmpty && !this.#isRenumbered && !SUSPECT.test(text);
  }

  read({ raw, name, data }: ServerSentEvent): void {
    if (data === "" || data === "[DONE]") {
      this.writes.pass(raw);
      return;
    }
    const event = readObject(data, this.limits);
    const { type, output_index: index, item, response } = event;
    // Some readers go by the name, some by the type.
    if (name !== undefined && name !== type) throw unreadable("has an event whose name is not its type");
    const read = { event, raw };
    const held = this.#held.get(index);
    if (typeof type === "string" && END.test(type)) {
      // What was never completed is in no stream any more, but in what is repeated.
      this.#held.clear();
      this.writes.abandon();
    }
    if (type === "response.output_item.added") this.#begin(read);
    else if (type === "response.output_item.done") this.#complete(read, held);
    else if (held) held.take(read);
    else if (typeof type === "string" && ARGUMENTS.test(type))
      throw unreadable("continues a tool call that is not open");
    else if (isJsonObject(response)) this.#repeat(read, response);
    else {
      if (item !== undefined && item !== null && readItem(item))
        throw unreadable("holds a tool call in a place that the guard does not know");
      refuseCallsIn(event);
      this.#add(read);
    }
  }

  #begin(read: ReadEvent): void {
    const { item = null, output_index: index } = read.event;
    if (typeof index !== "number" || this.#held.has(index))
      throw unreadable("begins an item of output without an index, or twice");
    if (!readItem(item)) {
      this.#add(read);
      return;
    }
    const held = new HeldItem(item as JsonObject, this.writes.reserve());
    held.take(read);
    this.#held.set(index, held);
  }

  #complete(read: ReadEvent, held: HeldItem | undefined): void {
    const { item = null, output_index: index = null } = read.event;
    if (!held && !readItem(item)) {
      this.#add(read);
      return;
    }
    const done = item as JsonObject;
    if (held && !(isJsonObject(item) && held.isBuiltAs(item)))
      throw unreadable("tells a tool call in two ways");
    this.#held.delete(index);
    held?.take(read);
    const replacement = this.#output.replacement(done);
    const fill = held?.fill ?? this.writes.reserve();
    fill(async () => {
      const message = await replacement;
      if (!message) return this.#write(held?.events(done) ?? [read]);
      const { sequence_number: number } = (held?.events(done)[0] ?? read).event;
      return this.#write(
        messageEvents(message, index).map((event) => ({
          event: number === undefined ? event : { ...event, sequence_number: number },
          raw: undefined,
        })),
      );
    });
  }

  /** An event with the whole response in it, in which denied calls are replaced as they were in the stream. */
  #repeat({ event, raw }: ReadEvent, response: JsonObject): void {
    const { response: _read, ...rest } = event;
    refuseCallsIn(rest);
    const reviewed = this.#output.response(response);
    this.writes.add(async () => {
      const mended = await reviewed;
      const isSame = mended === response;
      return this.#write([
        isSame ? { event, raw } : { event: { ...event, response: mended }, raw: undefined },
      ]);
    });
  }

  #add(read: ReadEvent): void {
    this.writes.add(() => this.#write([read]));
  }

  #write(events: readonly ReadEvent[]): string {
    return events.map((read) => this.#numbered(read)).join("");
  }

  /** A replacement has more or fewer events than what it replaces; what follows is counted on from there. */
  #numbered({ event, raw }: ReadEvent): string {
    const { type, sequence_number: number } = event;
    let numbered = event;
    if (typeof number === "number") {
      const isLate = number < this.#next;
      if (!this.#isRenumbered && !isLate) this.#next = number;
      this.#isRenumbered ||= isLate || raw === undefined;
      numbered = { ...event, sequence_number: this.#next++ };
    }
    if (raw !== undefined && !this.#isRenumbered) return raw;
    return writeEvent(JSON.stringify(numbered), typeof type === "string" ? type : undefined);
  }
}

/** A message as a stream tells it. */
function messageEvents(message: JsonObject, output_index: JsonValue): readonly JsonObject[] {
  const [part = null] = message.content as readonly JsonObject[];
  const at = { output_index, item_id: message.id ?? null, content_index: 0 };
  const { text = null, refusal = null } = part ?? {};
  const [begun, told] =
    refusal === null
      ? [
          { ...part, text: "" },
          [
            { type: "response.output_text.delta", ...at, delta: text, logprobs: [] },
            { type: "response.output_text.done", ...at, text, logprobs: [] },
          ],
        ]
      : [
          { ...part, refusal: "" },
          [
            { type: "response.refusal.delta", ...at, delta: refusal },
            { type: "response.refusal.done", ...at, refusal },
          ],
        ];
  return [
    {
      type: "response.output_item.added",
      output_index,
      item: { ...message, status: "in_progress", content: [] },
    },
    { type: "response.content_part.added", ...at, part: begun },
    ...told,
    { type: "response.content_part.done", ...at, part },
    { type: "response.output_item.done", output_index, item: message },
  ];
}
