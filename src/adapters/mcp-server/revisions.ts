import { isJsonObject } from "../../core/json";
import type { Denial } from "../../index";
import { paramsOf, type JsonRpcRequest, type JsonRpcResponse } from "../mcp/json-rpc";

/** JSON-RPC's code for a method that there is not. */
export const METHOD_NOT_FOUND = -32601;

/** What clients may ask of a server in every revision. */
const LASTING = [
  "completion/complete",
  "prompts/get",
  "prompts/list",
  "resources/list",
  "resources/read",
  "resources/templates/list",
  "tasks/cancel",
  "tasks/get",
  "tools/call",
  "tools/list",
];

/** Revisions up to 2025-11-25 open a server once. */
const WITH_SESSIONS: ReadonlySet<string> = new Set([
  ...LASTING,
  "initialize",
  "logging/setLevel",
  "ping",
  "resources/subscribe",
  "resources/unsubscribe",
  "tasks/list",
  "tasks/result",
]);

/** Revision 2026-07-28, in which every request says by itself what it needs. */
const STATELESS: ReadonlySet<string> = new Set([
  ...LASTING,
  "server/discover",
  "subscriptions/listen",
  "tasks/update",
]);

/** Whether a request speaks a revision in which it stands for itself. */
export function isStateless(request: JsonRpcRequest): boolean {
  const { _meta: meta } = paramsOf(request);
  return isJsonObject(meta) && Object.hasOwn(meta, "io.modelcontextprotocol/protocolVersion");
}

/**
 * Whether there is such a method in the revision that the request speaks.
 *
 * @param header what the HTTP request says of the revision. Where the message does not say the same, the server has an answer of its own to that.
 */
export function isMethod(request: JsonRpcRequest, header: string | undefined): boolean {
  const { method } = request;
  if (isStateless(request)) return STATELESS.has(method);
  return WITH_SESSIONS.has(method) || (header !== undefined && header >= "2026" && STATELESS.has(method));
}

/** What a server answers that does not have the method, with the denial beside it. */
export function methodNotFound({ id }: JsonRpcRequest, denial: Denial): JsonRpcResponse {
  const error = { code: METHOD_NOT_FOUND, message: "Method not found", data: { ...denial } };
  return { jsonrpc: "2.0", id, error } as unknown as JsonRpcResponse;
}
