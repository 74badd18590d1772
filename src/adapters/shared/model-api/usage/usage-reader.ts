import { isJsonObject, type JsonValue } from "../../../../core/json";
import type { TokenUsage } from "../../../../core/usage";
import { complete, hear, NOTHING_SAID, type SaidUsage } from "./token-usage";

/** An answer, or an event, that is longer says no more of what it used. */
const MAX_LENGTH = 16 * 1024 * 1024;

/** Reads along what an answer says of its usage, and changes nothing. */
export interface UsageReader<Chunk = Uint8Array> {
  read(chunk: Chunk): void;
  /** The answer has said that nothing will come any more. */
  readonly isOver: boolean;
  /** What was said, as far as the answer came. `undefined`: not enough to know what was used. */
  end(): TokenUsage | undefined;
}

/** For an answer of JSON. */
export function jsonUsage(): UsageReader {
  const decoder = new TextDecoder();
  let text = "";
  return {
    read(chunk) {
      if (text.length < MAX_LENGTH) text += decoder.decode(chunk, { stream: true });
    },
    isOver: false,
    end: () => complete(hearText(NOTHING_SAID, text)),
  };
}

/** For a stream of events. Only the lines that speak of usage are looked at. */
export function streamUsage(): UsageReader {
  const decoder = new TextDecoder();
  let line = "";
  let said = NOTHING_SAID;
  let isOver = false;
  const readLine = (given: string): void => {
    isOver ||= /^data: ?\[DONE\]$/.test(given);
    if (given.includes('"usage"')) said = hearText(said, given.replace(/^data: ?/, ""));
  };
  return {
    read(chunk) {
      const lines = decoder.decode(chunk, { stream: true }).split(/\r\n|\n|\r/);
      const last = lines.pop() ?? "";
      for (const next of lines) {
        readLine(line + next);
        line = "";
      }
      if (line.length < MAX_LENGTH) line += last;
    },
    get isOver() {
      return isOver;
    },
    end() {
      readLine(line);
      return complete(said);
    },
  };
}

function hearText(before: SaidUsage, text: string): SaidUsage {
  try {
    const value = JSON.parse(text) as JsonValue;
    return isJsonObject(value) ? hear(before, value) : before;
  } catch {
    return before;
  }
}
