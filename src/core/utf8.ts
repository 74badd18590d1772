/**
 * Decodes UTF-8 that comes in parts; asked without one, it ends the text.
 *
 * @param refusal makes the error that is thrown for what is not UTF-8.
 */
export function utf8Decoder(refusal: (cause: unknown) => Error): (part?: Uint8Array) => string {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return (part) => {
    try {
      return decoder.decode(part, { stream: part !== undefined });
    } catch (cause) {
      throw refusal(cause);
    }
  };
}
