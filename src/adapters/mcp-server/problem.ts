import { AuthorizationDeniedError } from "../../core/errors";
import type { Denial } from "../../index";
import { DENIED_CODE } from "../mcp/denial-message";
import type { JsonRpcResponse } from "../mcp/json-rpc";

/** JSON-RPC's own codes, and those that MCP's SDKs have for HTTP. */
export const CODES = {
  parse: -32700,
  invalid: -32600,
  refused: -32000,
  internal: -32603,
  noSession: -32001,
} as const;

/** A request that is answered before anything of it has been decided. */
export class McpProblem extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
    readonly denial?: Denial,
  ) {
    super(message);
  }

  /** The answer to nobody in particular: whose id it was cannot be said. */
  get response(): Response {
    const { code, message, denial } = this;
    const error = { code, message, ...(denial && { data: denial }) };
    return json({ jsonrpc: "2.0", id: null, error }, this.status, this.headers);
  }
}

/** What cannot be answered as a request would be. */
export function problemOf(
  error: unknown,
  status: number,
  headers?: Readonly<Record<string, string>>,
): Response {
  if (error instanceof McpProblem) return error.response;
  if (!AuthorizationDeniedError.isInstance(error)) throw error;
  const { denial } = error;
  return new McpProblem(status, DENIED_CODE, denial.reason, headers, denial).response;
}

/** A denial is an answer like another, with the status of one: clients throw away what comes with any other. */
export function answered(answer: JsonRpcResponse, status: number): Response {
  return json(answer, status);
}

function json(body: object, status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store", ...headers } });
}
