import { startMcpServer, type RunningMcpServer } from "../../examples/support-desk/servers/mcp-http";

export interface RawRequest {
  readonly jsonrpc: "2.0";
  readonly id?: string | number;
  readonly method: string;
  readonly params?: Readonly<Record<string, unknown>>;
}

/** Answers a request with a result, or with `undefined` for an error. */
export type RawAnswer = (request: RawRequest) => Readonly<Record<string, unknown>> | undefined;

const capabilities = { tools: {}, prompts: {}, resources: {}, completions: {}, logging: {} };

/**
 * An MCP server that no SDK keeps from answering what it likes, on both kinds of revision. Opening it works; the rest is for the test to
 * answer.
 */
export function startRawMcpServer(answer: RawAnswer): Promise<RunningMcpServer> {
  const opening: RawAnswer = ({ method, params }) => {
    if (method === "server/discover") return { supportedVersions: ["2026-07-28"], capabilities };
    if (method !== "initialize") return undefined;
    const serverInfo = { name: "raw", version: "1.0.0" };
    return { protocolVersion: params?.protocolVersion, capabilities, serverInfo };
  };
  return startMcpServer({
    close: () => Promise.resolve(),
    async fetch(request) {
      if (request.method !== "POST") return new Response(null, { status: 405 });
      const message = (await request.json()) as RawRequest;
      if (message.id === undefined) return new Response(null, { status: 202 });
      const result = opening(message) ?? answer(message);
      const { jsonrpc, id } = message;
      return result
        ? Response.json({
            jsonrpc,
            id,
            result: { resultType: "complete", ttlMs: 60_000, cacheScope: "public", ...result },
          })
        : Response.json({ jsonrpc, id, error: { code: -32601, message: "Method not found" } });
    },
  });
}

/** The definition of a tool, as a list holds it. */
export function rawTool(name: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { name, inputSchema: { type: "object", properties: { text: { type: "string" } } }, ...more };
}

export const rawText = (text: string) => ({ content: [{ type: "text", text }] });
