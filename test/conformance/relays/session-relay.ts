import { randomUUID } from "node:crypto";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { McpEndpoint } from "../../../examples/support-desk/servers/mcp-http";
import { eventStore } from "../servers/event-store";
import { RETRY_MS } from "../servers/everything";
import type { Message, Wrap } from "./relay";

/** A transport to the client and one to the upstream for each session, and the messages between them. */
export function sessionRelay(upstream: URL, wrap: Wrap): McpEndpoint {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();

  const open = async () => {
    const front = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: eventStore(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => void sessions.set(id, front),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await join(front, new StreamableHTTPClientTransport(upstream), wrap);
    return front;
  };

  return {
    async fetch(request) {
      const id = request.headers.get("mcp-session-id");
      const front = id === null ? await open() : sessions.get(id);
      return front?.handleRequest(request) ?? new Response(null, { status: 404 });
    },
    async close() {
      await Promise.all([...sessions.values()].map((front) => front.close()));
    },
  };
}

async function join(
  front: WebStandardStreamableHTTPServerTransport,
  inner: StreamableHTTPClientTransport,
  wrap: Wrap,
): Promise<void> {
  const back = wrap(inner);
  const asked = new Set<Message["id"]>();

  front.onmessage = (given) => {
    const message = given as Message;
    const { id, method } = message;
    if (method !== undefined && id !== undefined) asked.add(id);
    back.send(message).catch((error: unknown) => {
      if (id === undefined || !asked.delete(id)) return;
      const refused = { code: -32603, message: (error as Error).message };
      void front.send({ jsonrpc: "2.0", id, error: refused });
    });
  };
  back.onmessage = (message) => {
    const { id, method, result } = message;
    if (method === undefined) asked.delete(id);
    if (typeof result?.protocolVersion === "string") inner.setProtocolVersion(result.protocolVersion);
    // The transport does not say on which request's stream a message came; with one under way there is no doubt.
    const [related] = method !== undefined && asked.size === 1 ? asked : [];
    void front.send(message as never, related === undefined ? {} : { relatedRequestId: related });
  };
  front.onclose = () => {
    void inner.terminateSession().finally(() => back.close());
  };
  await Promise.all([front.start(), back.start()]);
}
