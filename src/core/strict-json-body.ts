import { checkLength, InvalidJsonError, type JsonValue } from "./json";
import { parseStrictJson, type StrictJsonOptions } from "./strict-json";
import { utf8Decoder } from "./utf8";

/**
 * Reads a body of JSON, strictly, and no further than its longest length: who never stops sending must not fill the memory.
 *
 * @throws {InvalidJsonError} without echoing any of the text; what the stream itself fails with.
 */
export async function readStrictJson(
  body: ReadableStream<Uint8Array> | null,
  options: StrictJsonOptions = {},
): Promise<JsonValue> {
  const decode = utf8Decoder((cause) => new InvalidJsonError("is not UTF-8", { cause }));
  let text = "";
  for await (const part of body ?? []) {
    text += decode(part);
    checkLength(text, options);
  }
  return parseStrictJson(text + decode(), options);
}
