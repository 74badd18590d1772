import { isJsonObject, type JsonObject, type JsonValue } from "../../../../core/json";
import type { CallChecks } from "./call-checks";
import { GrowingCall } from "./chat-growing-call";
import { unreadable } from "./unknown-places";

/** What becomes of a choice's calls once they are decided. */
interface DecidedCalls {
  readonly kept: number;
  /** The events as they came, where nothing was denied and every reader puts the calls together alike. */
  readonly asTheyCame: string | undefined;
  /** Otherwise a delta for each call, whole. */
  readonly deltas: readonly JsonObject[];
}

/** The calls of one choice, as they grow. */
export class HeldCalls {
  readonly #calls: GrowingCall[] = [];
  #legacy: GrowingCall | undefined;
  #raw = "";
  /** What the events said beside their calls, such as the role. */
  #said: JsonObject = {};
  #isPlain = true;

  constructor(private readonly checks: CallChecks) {}

  /** Takes what an event holds of the choice. `raw` is the event, if it can be released as it is. */
  take(delta: {
    readonly calls: readonly JsonValue[];
    readonly legacy: JsonValue | undefined;
    readonly said: JsonObject;
    readonly raw: string | undefined;
  }): void {
    for (const entry of delta.calls) this.#takeCall(entry);
    if (delta.legacy !== undefined) {
      this.#legacy ??= new GrowingCall({});
      if (!this.#legacy.grow({ function: delta.legacy })) this.#isPlain = false;
    }
    this.#said = { ...delta.said, ...this.#said };
    this.#raw += delta.raw ?? "";
    if (delta.raw === undefined) this.#isPlain = false;
  }

  #takeCall(entry: JsonValue): void {
    if (!isJsonObject(entry)) throw unreadable("has a tool call that is not an object");
    const { index, id } = entry;
    const isNumbered = typeof index === "number";
    // Where indexes are missing or repeated, readers put calls together differently: another id with a name is another call, and all are written
    // anew.
    const open = isNumbered ? this.#calls.findLast((call) => call.index === index) : this.#calls.at(-1);
    const isOther = id !== undefined && id !== null && id !== "" && id !== open?.id;
    if (isOther && open) this.#isPlain = false;
    const call = open && !(isOther && namesTool(entry)) ? open : new GrowingCall(entry);
    if (call !== open) {
      if (index !== this.#calls.length) this.#isPlain = false;
      this.#calls.push(call);
    }
    const isAlike = call.grow(entry);
    if (!isNumbered || !isAlike) this.#isPlain = false;
  }

  /** Starts the checks. What it returns is to be asked when all that came before is written; `first` is the index of the choice's next call. */
  decide(): (first: number) => Promise<DecidedCalls> {
    const all = [...this.#calls, ...(this.#legacy ? [this.#legacy] : [])];
    const checked = Promise.all(all.map((call) => this.checks.check(call.read())));
    return async (first) => {
      const denials = await checked;
      const kept = denials.filter((denied) => denied === undefined).length;
      if (this.#isPlain && first === 0 && kept === all.length)
        return { kept, asTheyCame: this.#raw, deltas: [] };
      let index = first;
      const deltas = all.map((call, position): JsonObject => {
        const denied = denials[position];
        // Text of the same message may stand before it.
        if (denied !== undefined) return { [this.checks.refuses ? "refusal" : "content"]: `\n\n${denied}` };
        const whole = call.whole();
        if (call === this.#legacy) return { function_call: whole.function ?? null };
        return { tool_calls: [{ index: index++, ...whole }] };
      });
      return {
        kept,
        asTheyCame: undefined,
        deltas: deltas.map((delta, position) => (position === 0 ? { ...this.#said, ...delta } : delta)),
      };
    };
  }
}

function namesTool({ function: called, custom }: JsonObject): boolean {
  return [called, custom].some(
    (part) => isJsonObject(part) && typeof part.name === "string" && part.name !== "",
  );
}
