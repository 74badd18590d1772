import { hostHeaderValidationResponse, localhostAllowedHostnames } from "@modelcontextprotocol/server";
import { z } from "zod";
import { serve } from "../../shared/serve";

/** The web-standard face of an MCP server, of either SDK line. */
export interface McpEndpoint {
  fetch(request: Request): Promise<Response>;
  close(): Promise<void>;
}

/** A JSON-RPC request or notification that reached a server. */
export interface ReceivedMessage {
  readonly method: string;
  /** The tool of a `tools/call`. */
  readonly tool?: string;
  /** Its arguments as they arrived. */
  readonly arguments?: unknown;
}

/** An MCP server that listens on loopback. */
export interface RunningMcpServer {
  /** Where clients connect: Streamable HTTP. */
  readonly url: string;
  /** The messages that arrived, oldest first. */
  readonly requests: readonly ReceivedMessage[];
  /** How many of them call a tool. */
  readonly toolCalls: number;
  /** How many HTTP requests arrived, those that carry no message included. */
  readonly httpRequests: number;
  /** Forgets what arrived so far. */
  reset(): void;
  stop(): Promise<void>;
}

/** Serves an MCP endpoint at `/mcp` and counts what reaches it. */
export async function startMcpServer(endpoint: McpEndpoint): Promise<RunningMcpServer> {
  const requests: ReceivedMessage[] = [];
  let httpRequests = 0;
  const server = await serve(async (request) => {
    httpRequests += 1;
    requests.push(...messagesIn(await request.clone().text()));
    if (new URL(request.url).pathname !== "/mcp") return new Response(null, { status: 404 });
    // A web page can reach loopback under a name of its own (DNS rebinding).
    const foreign = hostHeaderValidationResponse(request, localhostAllowedHostnames());
    return foreign ?? endpoint.fetch(request);
  });
  return {
    url: `${server.url}/mcp`,
    requests,
    get toolCalls() {
      return requests.filter(({ method }) => method === "tools/call").length;
    },
    get httpRequests() {
      return httpRequests;
    },
    reset() {
      requests.length = 0;
      httpRequests = 0;
    },
    async stop() {
      await endpoint.close();
      await server.stop();
    },
  };
}

/** Loose on purpose: a message with parameters that make no sense has reached the server all the same. */
const message = z.object({
  method: z.string(),
  params: z.object({ name: z.string(), arguments: z.unknown() }).partial().catch({}),
});

/** What is not JSON-RPC is left for the server itself to refuse. */
function messagesIn(body: string): ReceivedMessage[] {
  return [parseJson(body)].flat().flatMap((value) => {
    const { data } = message.safeParse(value);
    if (data === undefined) return [];
    const { method, params } = data;
    return method === "tools/call" && params.name !== undefined
      ? [{ method, tool: params.name, arguments: params.arguments }]
      : [{ method }];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
