import { checkLength, InvalidJsonError, type JsonValue } from "./json";
import { parseStrictJson, type StrictJsonOptions } from "./strict-json";

/**
 * Reads a body of JSON, strictly, and no further than its longest length: who never stops sending must not fill the memory.
 *
 * @throws {InvalidJsonError} without echoing any of the text; what the stream itself fails with.
 */
export async function readStrictJson(
  body: ReadableStream<Uint8Array> | null,
  options: StrictJsonOptions = {},
): Promise<JsonValue> {
  const decode = utf8();
  let text = "";
  for await (const part of body ?? []) {
    text += decode(part);
    checkLength(text, options);
  }
  return parseStrictJson(text + decode(), options);
}

function utf8(): (part?: Uint8Array) => string {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return (part) => {
    try {
      return decoder.decode(part, { stream: part !== undefined });
    } catch (cause) {
      throw new InvalidJsonError("is not UTF-8", { cause });
    }
  };
}
