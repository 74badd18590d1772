import { within } from "../../core/deadline";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json";
import { isResponse, type JsonRpcResponse } from "../mcp/json-rpc";
import { METHOD_NOT_FOUND } from "./revisions";
import type { AnyMcpServer, ServerTransport } from "./server-transport";

/** Milliseconds for all pages together. */
const DEADLINE_MS = 10_000;
const MAX_PAGES = 100;

/**
 * The definitions of a server's tools, where no client is connected to it yet: a server of its own is asked, in memory, and closed again.
 *
 * @throws where the server cannot say.
 */
export async function definitionsOf(server: AnyMcpServer): Promise<JsonObject> {
  const transport = new Asking();
  try {
    await server.connect(transport as never);
    return await within(DEADLINE_MS, "tools/list", listTools(transport));
  } finally {
    await server.close();
  }
}

async function listTools(transport: Asking): Promise<JsonObject> {
  await transport.ask("initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "hopguard", version: "1.0.0" },
  });
  transport.onmessage?.({ jsonrpc: "2.0", method: "notifications/initialized" });
  const tools: JsonValue[] = [];
  let cursor: JsonValue | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const { result, error } = await transport.ask("tools/list", cursor === undefined ? {} : { cursor });
    if (isJsonObject(error) && error.code === METHOD_NOT_FOUND) break;
    if (!isJsonObject(result) || !Array.isArray(result.tools)) throw new Error("This is no list of tools.");
    tools.push(...(result.tools as readonly JsonValue[]));
    if (typeof result.nextCursor !== "string") break;
    cursor = result.nextCursor;
  }
  return { tools };
}

/** A transport whose other end asks, and hears nothing but the answers. */
class Asking implements ServerTransport {
  onclose: (() => void) | undefined;
  onerror: ((error: Error) => void) | undefined;
  onmessage: ((message: unknown, extra?: unknown) => void) | undefined;
  readonly #waiting = new Map<JsonRpcResponse["id"], (response: JsonRpcResponse) => void>();

  start(): Promise<void> {
    return Promise.resolve();
  }

  send(message: unknown): Promise<void> {
    if (isResponse(message)) this.#waiting.get(message.id)?.(message);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.onclose?.();
    return Promise.resolve();
  }

  ask(method: string, params: JsonObject): Promise<JsonRpcResponse> {
    const id = `hopguard:${crypto.randomUUID()}`;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.onmessage?.({ jsonrpc: "2.0", id, method, params });
    });
  }
}
