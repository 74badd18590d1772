import { DENIAL_META_KEY, type Denial } from "../../core/denial";
import type { JsonObject } from "../../core/json";
import { paramsOf, senderMeta, type JsonRpcRequest, type JsonRpcResponse, type RequestId } from "./json-rpc";

/** Outside the range that JSON-RPC and MCP keep for themselves (-32768 to -32000). */
export const DENIED_CODE = -31403;

/**
 * The answer to a request that was denied, in the form that reaches an agent whole.
 *
 * A tool call is answered with a result that is an error, since that is what a model gets to read. It has no `structuredContent`: SDK 1
 * holds that against the tool's output schema and throws the denial away. Everything else, and a call that asked for a task, is
 * answered with a JSON-RPC error.
 */
export function denialAnswer(request: JsonRpcRequest, denial: Denial): JsonRpcResponse {
  const { id, method } = request;
  if (method !== "tools/call" || Object.hasOwn(paramsOf(request), "task")) {
    const error = { code: DENIED_CODE, message: denial.reason, data: denial as unknown as JsonObject };
    return { jsonrpc: "2.0", id, error };
  }
  const isStateless = senderMeta(request) !== undefined;
  const result = {
    content: [{ type: "text", text: JSON.stringify(denial) }],
    isError: true,
    _meta: { [DENIAL_META_KEY]: denial as unknown as JsonObject },
    ...(isStateless && { resultType: "complete" }),
  };
  return { jsonrpc: "2.0", id, result };
}

/** What a server is told whose request was denied. It learns nothing else: the policy's words are for the agent. */
export function refusalForServer(id: RequestId): JsonRpcResponse {
  return { jsonrpc: "2.0", id, error: { code: DENIED_CODE, message: "The client does not allow this." } };
}
