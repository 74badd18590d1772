import { isJsonObject, type JsonObject } from "../../core/json";
import { within } from "../../core/deadline";
import type { JsonRpcRequest, JsonRpcResponse, RequestId } from "./json-rpc";

/** Milliseconds that a server has to answer. */
const DEADLINE_MS = 10_000;

/** The requests that the guard itself sends to the server. Their ids are strings, while both SDKs count; their answers stay here. */
export class OwnRequests {
  readonly #waiting = new Map<RequestId, (response: JsonRpcResponse | undefined) => void>();

  constructor(private readonly send: (request: JsonRpcRequest) => Promise<void>) {}

  /** Resolves to the result. Rejects for an error, for silence past the deadline, and when the connection closes. */
  async ask(method: string, params: JsonObject): Promise<JsonObject> {
    const id = `hopguard:${crypto.randomUUID()}`;
    const answer = new Promise<JsonRpcResponse | undefined>((resolve) => this.#waiting.set(id, resolve));
    try {
      const exchange = this.send({ jsonrpc: "2.0", id, method, params }).then(() => answer);
      const response = await within(DEADLINE_MS, method, exchange);
      if (!isJsonObject(response?.result)) throw new Error(`The server did not answer ${method}.`);
      return response.result;
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Takes the answer to an own request; false for an answer to anybody else's. */
  take(response: JsonRpcResponse): boolean {
    const resolve = this.#waiting.get(response.id);
    resolve?.(response);
    return resolve !== undefined;
  }

  /** No more answers will come. */
  close(): void {
    for (const resolve of this.#waiting.values()) resolve(undefined);
  }
}
