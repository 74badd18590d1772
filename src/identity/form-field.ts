import { HttpProblem } from "./http-problem";

/** Characters: of the longest token, and of what else a provider may send. */
const MAX_LENGTH = 32_768;
const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(?:;\s*charset="?utf-8"?\s*)?$/i;

/**
 * Reads one field of a form that was posted.
 *
 * @throws {HttpProblem} for another method or content type, a body that is too long, and a field that is not there exactly once.
 */
export async function formField({ method, headers, body }: Request, name: string): Promise<string> {
  if (method !== "POST") throw new HttpProblem(405, "invalid_request", { allow: "POST" });
  if (!FORM_TYPE.test(headers.get("content-type") ?? "")) throw new HttpProblem(415, "invalid_request");
  const [value, ...others] = new URLSearchParams(await readText(body)).getAll(name);
  if (value !== undefined && others.length === 0) return value;
  throw new HttpProblem(400, "invalid_request");
}

async function readText(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  try {
    for await (const part of body ?? []) {
      text += decoder.decode(part, { stream: true });
      if (text.length > MAX_LENGTH) throw new HttpProblem(413, "invalid_request");
    }
    return text + decoder.decode();
  } catch (cause) {
    if (cause instanceof HttpProblem) throw cause;
    throw new HttpProblem(400, "invalid_request", {}, { cause });
  }
}
