import type { JsonObject } from "../../../../core/json";
import type { TokenUsage } from "../../../../core/usage";
import { larger, usageIn } from "./token-usage";

/** An answer, or an event, that is longer says no more of what it used. */
const MAX_LENGTH = 16 * 1024 * 1024;

/** Reads along what an answer says of its usage, and changes nothing. */
export interface UsageReader {
  read(chunk: Uint8Array): void;
  /** What was said, once the answer has ended. */
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
    end: () => said(text),
  };
}

/** For a stream of events. Only the lines that speak of usage are looked at. */
export function streamUsage(): UsageReader {
  const decoder = new TextDecoder();
  let line = "";
  let usage: TokenUsage | undefined;
  const readLine = (given: string): void => {
    if (given.includes('"usage"')) usage = larger(usage, said(given.replace(/^data: ?/, "")));
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
    end() {
      readLine(line);
      return usage;
    },
  };
}

function said(text: string): TokenUsage | undefined {
  try {
    return usageIn(JSON.parse(text) as JsonObject);
  } catch {
    return undefined;
  }
}
