import { isJsonObject, type JsonLimits, type JsonObject, type JsonValue } from "../../../../core/json";
import type { AnsweredCall } from "./answered-call";
import type { CallChecks } from "./call-checks";
import { mendedReason, readBlock } from "./messages";
import { OrderedWrites, type Write } from "./ordered-writes";
import { writeEvent, type ServerSentEvent } from "./sse";
import type { StreamReview } from "./stream-review";
import { readObject, refuseCallsIn, unreadable } from "./unknown-places";

const SUSPECT =
  /content_block_st|message_|input_json|(?:tool|function)[_-]?(?:call|use)|_call"|_request"|\\u00/i;

interface HeldBlock {
  readonly call: AnsweredCall;
  readonly fill: (write: Write) => void;
  raw: string;
  json: string;
  /** A delta of a kind that builds no input. */
  isOdd: boolean;
}

/**
 * Anthropic's stream. A block is held from its start to its stop, and what comes behind it waits, because SDKs count blocks in the order of their
 * starts. A denied call becomes a block of text in its place, so no index changes.
 */
export class MessagesStream implements StreamReview {
  readonly writes = new OrderedWrites();
  readonly #blocks = new Map<JsonValue | undefined, HeldBlock | "passing" | "stopped">();
  #kept = 0;
  #denied = 0;

  constructor(
    private readonly checks: CallChecks,
    private readonly limits: JsonLimits,
  ) {}

  mayPass(text: string): boolean {
    return this.writes.isEmpty && !SUSPECT.test(text);
  }

  read({ raw, name, data }: ServerSentEvent): void {
    if (data === "") {
      this.writes.pass(raw);
      return;
    }
    const event = readObject(data, this.limits);
    const { type } = event;
    // Some readers go by the name, some by the type.
    if (name !== undefined && name !== type) throw unreadable("has an event whose name is not its type");
    if (type === "content_block_start") this.#start(event, raw);
    else if (type === "content_block_delta") this.#delta(event, raw);
    else if (type === "content_block_stop") this.#stop(event, raw);
    else if (type === "message_delta") this.#end(event, raw);
    else {
      refuseCallsIn(event);
      if (type === "error") this.#breakOff();
      this.writes.pass(raw);
    }
  }

  /** The provider has given up: a call that is not complete never will be, and the error is not to wait for it. */
  #breakOff(): void {
    for (const [index, block] of this.#blocks)
      if (typeof block === "object") this.#blocks.set(index, "stopped");
    this.writes.abandon();
  }

  #start({ index, content_block: block }: JsonObject, raw: string): void {
    if (typeof index !== "number" || this.#blocks.has(index))
      throw unreadable("begins a block of content without an index, or twice");
    const call = readBlock(block ?? null);
    if (!call) {
      this.#blocks.set(index, "passing");
      this.writes.pass(raw);
      return;
    }
    this.#blocks.set(index, { call, fill: this.writes.reserve(), raw, json: "", isOdd: false });
  }

  #delta({ index, delta }: JsonObject, raw: string): void {
    const block = this.#blocks.get(index);
    // SDKs add to the input of a call that has stopped.
    if (block === undefined || block === "stopped")
      throw unreadable("continues a block of content that is not open");
    if (block === "passing") {
      this.writes.pass(raw);
      return;
    }
    block.raw += raw;
    const { type, partial_json: json } = isJsonObject(delta) ? delta : {};
    if (type === "input_json_delta" && typeof json === "string") block.json += json;
    else block.isOdd = true;
  }

  #stop({ index }: JsonObject, raw: string): void {
    const block = this.#blocks.get(index);
    if (block === undefined || block === "stopped")
      throw unreadable("ends a block of content that is not open");
    this.#blocks.set(index, "stopped");
    if (block === "passing") {
      this.writes.pass(raw);
      return;
    }
    const checked = this.checks.check(wholeCall(block));
    block.fill(async () => {
      const denied = await checked;
      if (denied === undefined) {
        this.#kept++;
        return block.raw + raw;
      }
      this.#denied++;
      return textBlock(index ?? null, denied);
    });
  }

  #end(event: JsonObject, raw: string): void {
    if ([...this.#blocks.values()].some((block) => typeof block === "object"))
      throw unreadable("ends before its tool call does");
    refuseCallsIn(event);
    this.writes.add(() => {
      const { delta } = event;
      if (this.#denied === 0 || this.#kept > 0 || !isJsonObject(delta)) return raw;
      return write({ ...event, delta: { ...delta, stop_reason: mendedReason(delta.stop_reason) } });
    });
  }
}

/** The input comes with the start of the block or in deltas. In both, readers differ. */
function wholeCall({ call, json, isOdd }: HeldBlock): AnsweredCall {
  if (isOdd) return { ...call, unclear: "The tool call has parts that the guard does not know." };
  if (json === "" || call.unclear !== undefined) return call;
  const begun = "value" in call.given ? call.given.value : undefined;
  if (isJsonObject(begun) && Object.keys(begun).length > 0)
    return { ...call, unclear: "The tool call has its input twice." };
  return { ...call, given: { json } };
}

function textBlock(index: JsonValue, text: string): string {
  return [
    { type: "content_block_start", index, content_block: { type: "text", text: "", citations: null } },
    { type: "content_block_delta", index, delta: { type: "text_delta", text } },
    { type: "content_block_stop", index },
  ]
    .map(write)
    .join("");
}

function write(event: JsonObject): string {
  return writeEvent(JSON.stringify(event), typeof event.type === "string" ? event.type : undefined);
}
