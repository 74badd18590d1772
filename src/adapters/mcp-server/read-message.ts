import { InvalidJsonError, type JsonValue } from "../../core/json";
import type { IncomingRequest } from "../http/front-door";
import { isNotification, isRequest, isResponse, parseMessage } from "../mcp/json-rpc";
import { decodeUtf8, UnreadableBodyError } from "../shared/model-api/request-body";
import { CODES, McpProblem } from "./problem";

const JSON_TYPE = /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i;

/**
 * Reads the one JSON-RPC message of a POST, in the one way that there is to read it.
 *
 * @throws {McpProblem}
 */
export async function readIncoming(
  { headers, body }: IncomingRequest<unknown>,
  limits: { readonly maxDepth: number; readonly maxLength: number },
): Promise<JsonValue> {
  const isPlain = JSON_TYPE.test(headers.get("content-type") ?? "") && !headers.has("content-encoding");
  if (!isPlain) throw new McpProblem(415, CODES.refused, "Send application/json in UTF-8, not compressed.");
  let message: JsonValue;
  try {
    const text = decodeUtf8((await body?.(limits.maxLength)) ?? new Uint8Array());
    message = parseMessage(text, limits);
  } catch (error) {
    if (error instanceof UnreadableBodyError) {
      throw new McpProblem(error.status, error.status === 413 ? CODES.refused : CODES.parse, error.message);
    }
    if (!(error instanceof InvalidJsonError)) throw error;
    throw new McpProblem(400, CODES.parse, `The message ${error.message}.`);
  }
  if (isRequest(message) || isNotification(message) || isResponse(message)) return message;
  throw new McpProblem(400, CODES.invalid, "Send one JSON-RPC message, and no batch.");
}
