import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import type { StrictJsonOptions } from "../../../../core/strict-json";
import type { CallChecks } from "./call-checks";
import { mendedReason, splitMessage } from "./chat";
import { HeldCalls } from "./chat-held-calls";
import { OrderedWrites } from "./ordered-writes";
import { writeEvent, type ServerSentEvent } from "./sse";
import type { StreamReview } from "./stream-review";
import { readObject, refuseCallsIn, unreadable } from "./unknown-places";

const SUSPECT = /(?:tool|function)[_-]?(?:call|use)|_call"|_request"|\\u00/i;

/**
 * OpenAI's chat stream. Nothing but `finish_reason` says that a call is complete, so a choice's calls are held until then, and decided together. A
 * stream that breaks off before releases none.
 */
export class ChatStream implements StreamReview {
  readonly writes = new OrderedWrites();
  readonly #held = new Map<number, HeldCalls>();
  /** How many calls of each choice have been released: a later one is not to take the index of an earlier. */
  readonly #released = new Map<number, number>();

  constructor(
    private readonly checks: CallChecks,
    private readonly reading: StrictJsonOptions,
  ) {}

  mayPass(text: string): boolean {
    return this.#held.size === 0 && !SUSPECT.test(text);
  }

  read({ raw, data }: ServerSentEvent): void {
    if (data === "" || data === "[DONE]") {
      this.writes.pass(raw);
      return;
    }
    const chunk = readObject(data, this.reading);
    const { choices, ...rest } = chunk;
    refuseCallsIn(rest);
    if (choices !== undefined && choices !== null && !Array.isArray(choices))
      throw unreadable("has choices that are not a list");
    const list = (choices ?? []) as readonly JsonValue[];
    // Several choices in one event are told apart, because each may be held by itself.
    if (list.length <= 1) this.#readChoice(chunk, list[0], raw);
    else for (const choice of list) this.#readChoice({ ...chunk, choices: [choice] }, choice, undefined);
  }

  /** `raw` is the event as it came, if it is of this choice alone. */
  #readChoice(chunk: JsonObject, choice: JsonValue | undefined, raw: string | undefined): void {
    if (choice === undefined) {
      this.writes.pass(raw ?? write(chunk));
      return;
    }
    if (!isJsonObject(choice)) throw unreadable("has a choice that is not an object");
    const { index, delta, finish_reason: reason = null, ...rest } = choice;
    refuseCallsIn(rest);
    // Some providers write "" where others write null.
    const isEnd = reason !== null && reason !== "";
    const { calls, legacy, rest: said } = splitMessage(delta);
    const hasCalls = calls.length > 0 || legacy !== undefined;
    if (hasCalls && !Number.isSafeInteger(index)) throw unreadable("has a choice without an index");
    const key = Number(index);
    const held = this.#held.get(key) ?? (hasCalls ? new HeldCalls(this.checks) : undefined);
    if (!held || (!hasCalls && !isEnd)) {
      this.writes.pass(raw ?? write(chunk));
      return;
    }
    this.#held.set(key, held);
    if (typeof said.content === "string" && said.content !== "") {
      // Text flows on at once; the call that came with it is held.
      this.writes.pass(write({ ...chunk, choices: [{ ...choice, delta: said, finish_reason: null }] }));
      held.take({ calls, legacy, said: {}, raw: undefined });
    } else held.take({ calls, legacy, said, raw });
    if (isEnd) this.#release(key, held, chunk, choice);
  }

  /** Writes the calls of a choice that has ended. */
  #release(key: number, held: HeldCalls, chunk: JsonObject, choice: JsonObject): void {
    this.#held.delete(key);
    const decided = held.decide();
    this.writes.add(async () => {
      const first = this.#released.get(key) ?? 0;
      const { kept, asTheyCame, deltas } = await decided(first);
      this.#released.set(key, first + kept);
      if (asTheyCame !== undefined) return asTheyCame;
      // Counted once, at the end.
      const { usage: _usage, ...head } = chunk;
      const told = deltas.map((delta) =>
        write({ ...head, choices: [{ index: key, delta, finish_reason: null }] }),
      );
      const { finish_reason: reason = null } = choice;
      const end = { ...choice, delta: {}, finish_reason: first + kept > 0 ? reason : mendedReason(reason) };
      return told.join("") + write({ ...chunk, choices: [end] });
    });
  }
}

function write(chunk: JsonObject): string {
  return writeEvent(JSON.stringify(chunk), undefined);
}
