import { ASSERTION_HEADER } from "../../../core/assertion-places";
import { InvalidJsonError, isJsonObject, type JsonLimits, type JsonObject } from "../../../core/json";
import { parseStrictJson } from "../../../core/strict-json";
import type { OutgoingBody, OutgoingRequest } from "./outgoing-request";
import type { Route } from "./routes";

/** A request's body in the form in which it was checked, which is the form in which it is sent. */
export type CheckedBody =
  | { readonly kind: "none" }
  | { readonly kind: "json"; readonly text: string; readonly value: JsonObject }
  | { readonly kind: "form"; readonly form: FormData };

/** As deep as models and tools stand in a request; schemas and arguments, with names of their own, stand deeper. */
const FOLDED_LEVELS = 3;
/** The batch itself, and the envelope of each of its requests. */
const LEVELS_ABOVE_REQUEST = 2;

/** A body that cannot be read in one way only. The message says what is wrong and echoes nothing. */
export class UnreadableBodyError extends Error {
  override readonly name = "UnreadableBodyError";
  /** What a server answers it with. */
  readonly status: 400 | 413 | 415;

  constructor(
    message: string,
    { status = 400, ...options }: ErrorOptions & { status?: 400 | 413 | 415 } = {},
  ) {
    super(message, options);
    this.status = status;
  }
}

/** @throws {UnreadableBodyError} */
export async function readBody(
  request: OutgoingRequest,
  route: Route,
  limits: JsonLimits & { readonly maxLength: number },
): Promise<CheckedBody> {
  const { headers, body } = request;
  if (headers.has("content-encoding"))
    throw new UnreadableBodyError("The request's body is encoded, and cannot be read.", { status: 415 });
  const contentType = headers.get("content-type") ?? "";
  const kind = kindOf(body.kind, contentType);
  if (!route.content.includes(kind)) {
    const status = kind === "none" || !route.content.some((taken) => taken !== "none") ? 400 : 415;
    throw new UnreadableBodyError(`The endpoint takes ${route.content.join(" or ")}, and not ${kind}.`, {
      status,
    });
  }
  if (kind === "none") return { kind };
  if (kind === "json") {
    if (body.kind === "form") throw new UnreadableBodyError("A form was sent as JSON.");
    const text =
      body.kind === "text"
        ? body.text
        : body.kind === "bytes"
          ? decodeUtf8(await body.read(limits.maxLength))
          : "";
    const levelsAbove = route.kind === "batch" ? LEVELS_ABOVE_REQUEST : 0;
    return { kind, text, value: parseObject(text, limits, levelsAbove) };
  }
  // A multipart body is read and built anew, so that the provider's parser meets what ours made of it.
  const form = new FormData();
  const entries =
    body.kind === "form"
      ? body.entries
      : await new Response(body.kind === "bytes" ? await bytesOf(body, limits) : "", {
          headers: { "content-type": contentType },
        })
          .formData()
          .then((parsed) => [...parsed.entries()])
          .catch(() => {
            throw new UnreadableBodyError("The multipart body cannot be read.");
          });
  for (const [name, value] of entries) {
    if (typeof value === "string") form.append(name, value);
    else form.append(name, value, value.name);
  }
  return { kind, form };
}

/** Of memory that is nobody else's, which the type of a buffer does not say. */
async function bytesOf(
  { read }: OutgoingBody & { readonly kind: "bytes" },
  { maxLength }: { readonly maxLength: number },
): Promise<ArrayBuffer | Uint8Array<ArrayBuffer>> {
  return (await read(maxLength)) as ArrayBuffer | Uint8Array<ArrayBuffer>;
}

function kindOf(body: OutgoingRequest["body"]["kind"], contentType: string): "none" | "json" | "form" {
  if (body === "none") return "none";
  if (body === "form" || /^multipart\/form-data\s*;/i.test(contentType)) return "form";
  if (contentType === "" || /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(contentType))
    return "json";
  throw new UnreadableBodyError(
    "The request's content type is neither application/json in UTF-8 nor multipart/form-data.",
    { status: 415 },
  );
}

/**
 * @param levelsAbove how deep the request stands in what is parsed.
 * @throws {UnreadableBodyError} for what is no JSON object, or one that two readers could read differently.
 */
export function parseObject(text: string, limits: JsonLimits, levelsAbove: number): JsonObject {
  try {
    const value = parseStrictJson(text, { ...limits, foldedLevels: FOLDED_LEVELS + levelsAbove });
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (error instanceof InvalidJsonError)
      throw new UnreadableBodyError(`The request's body ${error.message}.`, { cause: error });
    throw error;
  }
  throw new UnreadableBodyError("The request's body is not a JSON object.");
}

/** @throws {UnreadableBodyError} */
export function decodeUtf8(bytes: ArrayBuffer | Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UnreadableBodyError("The request's body is not UTF-8.");
  }
}

/** What goes out: the form in which the request was checked. Redirects are not followed, because they were not checked. */
export function sendable(
  { method, headers, signal, rest }: OutgoingRequest,
  body: CheckedBody,
  assertion?: string,
): RequestInit {
  return {
    ...rest,
    method,
    headers: sendableHeaders(headers, body, assertion),
    redirect: "manual",
    ...(signal && { signal }),
    ...(body.kind === "json" && { body: body.text }),
    ...(body.kind === "form" && { body: body.form }),
  };
}

export function sendableHeaders(headers: Headers, body: CheckedBody, assertion: string | undefined): Headers {
  const sent = new Headers(headers);
  // What an agent says in our name is not passed on.
  sent.delete(ASSERTION_HEADER);
  if (assertion !== undefined) sent.set(ASSERTION_HEADER, assertion);
  // The length may have changed, a form gets a boundary of its own, and another host than the URL's was not decided.
  for (const name of ["content-length", "host"]) sent.delete(name);
  if (body.kind === "form") sent.delete("content-type");
  if (body.kind === "json" && !sent.has("content-type")) sent.set("content-type", "application/json");
  return sent;
}
