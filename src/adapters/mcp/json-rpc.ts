import { InvalidJsonError, isJsonObject, type JsonObject, type JsonValue } from "../../core/json";
import { parseStrictJson } from "../../core/strict-json";

export type RequestId = string | number;

/** What requests and notifications share; in revision 2026-07-28 also what a server asks within a result. */
export interface Call extends JsonObject {
  readonly method: string;
}

export interface JsonRpcRequest extends Call {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
}

export interface JsonRpcNotification extends Call {
  readonly jsonrpc: "2.0";
}

export interface JsonRpcResponse extends JsonObject {
  readonly jsonrpc: "2.0";
  readonly id: RequestId;
}

/**
 * Wider than what a session takes for a tool's arguments, since answers of the client's own (a sampled image) go out as well. Members of
 * a message, of its params and of the arguments may not differ only in case: a server in Go would take the one for the other.
 */
const LIMITS = { maxDepth: 256, maxLength: 33_554_432, foldedLevels: 3 };

/** As it is: there is no text for a function, say. */
const stringify: (value: unknown) => string | undefined = JSON.stringify;

/**
 * Reads a message that is about to be sent, once: whatever happens to it later, this is what is checked and what is sent.
 *
 * @throws {InvalidJsonError} saying what is wrong, and never what was found.
 */
export function readMessage(given: unknown): JsonValue {
  let text: string | undefined;
  try {
    text = stringify(given);
  } catch (error) {
    throw new InvalidJsonError("cannot be represented as JSON", { cause: error });
  }
  return parseStrictJson(text ?? "", LIMITS);
}

/**
 * Reads the text of a message that has come in.
 *
 * @throws {InvalidJsonError} saying what is wrong, and never what was found.
 */
export function parseMessage(text: string, limits: Readonly<Partial<typeof LIMITS>> = {}): JsonValue {
  return parseStrictJson(text, { ...LIMITS, ...limits });
}

export function isRequest(message: unknown): message is JsonRpcRequest {
  return isCall(message) && isRequestId(message.id);
}

export function isNotification(message: unknown): message is JsonRpcNotification {
  return isCall(message) && !Object.hasOwn(message, "id");
}

export function isResponse(message: unknown): message is JsonRpcResponse {
  if (!isJsonObject(message) || Object.hasOwn(message, "method") || !isRequestId(message.id)) return false;
  return isJsonObject(message.result) !== isJsonObject(message.error);
}

/** A result that says of itself that it is an error is none that policies could build on. */
export function isSuccess({ result }: JsonRpcResponse): boolean {
  return isJsonObject(result) && result.isError !== true;
}

/** Something that is called and answers at once could be read either way: it is neither. */
export function isCall(message: unknown): message is Call {
  return (
    isJsonObject(message) &&
    typeof message.method === "string" &&
    !Object.hasOwn(message, "result") &&
    !Object.hasOwn(message, "error") &&
    (message.params === undefined || isJsonObject(message.params))
  );
}

function isRequestId(id: unknown): id is RequestId {
  return typeof id === "string" || typeof id === "number";
}

export function paramsOf({ params }: Call): JsonObject {
  return isJsonObject(params) ? params : {};
}

/** The id of the request that a notification takes back. */
export function cancelledId(notification: JsonRpcNotification): RequestId | undefined {
  const { requestId } = paramsOf(notification);
  return notification.method === "notifications/cancelled" && isRequestId(requestId) ? requestId : undefined;
}

/** Takes a request back; a server that goes on works for nobody. */
export function cancellation(requestId: RequestId): JsonRpcNotification {
  const params = { requestId, reason: "no longer authorized" };
  return { jsonrpc: "2.0", method: "notifications/cancelled", params };
}

/** What a request of revision 2026-07-28 says of its sender: there is no session to remember it. */
const SENDER_META = [
  "io.modelcontextprotocol/protocolVersion",
  "io.modelcontextprotocol/clientInfo",
  "io.modelcontextprotocol/clientCapabilities",
];

/** The `_meta` that another request of the same client needs; none before revision 2026-07-28. */
export function senderMeta(request: Call): JsonObject | undefined {
  const { _meta: meta } = paramsOf(request);
  if (!isJsonObject(meta)) return undefined;
  const sender = Object.entries(meta).filter(([key]) => SENDER_META.includes(key));
  return sender.length > 0 ? Object.fromEntries(sender) : undefined;
}
