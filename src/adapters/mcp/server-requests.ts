import { isJsonObject } from "../../core/json";
import { refusalForServer } from "./denial-message";
import type { JointAllow } from "../shared/joint-decision";
import {
  cancellation,
  isSuccess,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type RequestId,
} from "./json-rpc";
import { SERVER_REQUESTS } from "./methods";
import { unsupported } from "./question";
import type { Knowledge } from "./questions";
import type { ServerPolicy } from "./server-policy";
import type { SendOptions } from "./transport";
import type { Wire } from "./wire";

/** More at once are a flood: each costs a decision and a record, and keeps the hops of others waiting. */
export const MAX_ASKED = 100;

/** A request that the client has been asked. */
interface Delivered {
  readonly request: JsonRpcRequest;
  /** Absent where nothing had to be decided; likewise the watch. */
  readonly allowed?: JointAllow;
  readonly stopWatch?: () => void;
}

/** What the server has asked of the client: decided before the client learns of it. */
export class ServerRequests {
  /** The check that is under way, or what the client has been asked. */
  readonly #asked = new Map<RequestId, AbortController | Delivered>();

  constructor(
    private readonly wire: Wire,
    private readonly policy: ServerPolicy,
    private readonly knowledge: Knowledge,
  ) {}

  async receive(request: JsonRpcRequest, extra: unknown): Promise<void> {
    const { id, method } = request;
    if (this.#asked.has(id)) {
      // It would take the place of the first, which nobody would watch over, or settle, any more.
      this.wire.report(new Error("The server sent a request whose id is that of another one under way."));
      return;
    }
    const rule = SERVER_REQUESTS.get(method);
    if (rule !== "pass" && this.#asked.size >= MAX_ASKED) {
      // Nor is it answered: the answers to a flood are one, too.
      this.wire.report(new Error("The server asks more of the client at once than anybody could answer."));
      return;
    }
    let delivered: Delivered = { request };
    if (rule !== "pass") {
      const controller = new AbortController();
      this.#asked.set(id, controller);
      const questions = rule
        ? rule(request, this.knowledge)
        : [unsupported(method, "The guard does not know this request of a server.")];
      const decision = await this.policy.checkAll(questions, controller.signal);
      if (this.#asked.get(id) !== controller) return;
      if (decision?.effect !== "allow") {
        this.#asked.delete(id);
        return this.wire.send(refusalForServer(id));
      }
      const stopWatch = decision.watch(() => this.#withdraw(id));
      delivered = { request, allowed: decision, stopWatch };
    }
    this.#asked.set(id, delivered);
    this.wire.deliver(request, extra);
  }

  /** Whether the request was still being checked, so that the client knows nothing of it. */
  cancel(id: RequestId): boolean {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (!(asked instanceof AbortController)) {
      asked?.stopWatch?.();
      asked?.allowed?.settle("unknown");
      return false;
    }
    asked.abort();
    return true;
  }

  /** Authority was withdrawn while the client was at it: nothing that it still says reaches the server. */
  #withdraw(id: RequestId): void {
    this.cancel(id);
    this.wire.deliver(cancellation(id));
    this.wire.send(refusalForServer(id)).catch((error: unknown) => this.wire.report(error));
  }

  /** Sends the client's answer to a request that it was asked. */
  async send(response: JsonRpcResponse, options?: SendOptions): Promise<void> {
    const asked = this.#asked.get(response.id);
    if (!asked || asked instanceof AbortController) {
      this.wire.report(new Error("The client answered a request that it was not asked."));
      return;
    }
    this.#asked.delete(response.id);
    asked.stopWatch?.();
    asked.allowed?.settle(isSuccess(response) ? "done" : "failed");
    await this.wire.send(this.#withOwnTasks(asked.request, response), options);
  }

  #withOwnTasks(request: JsonRpcRequest, response: JsonRpcResponse): JsonRpcResponse {
    const { clientTasks } = this.knowledge;
    const { result } = response;
    if (!isJsonObject(result)) return response;
    if (request.method === "tasks/list") return { ...response, result: clientTasks.ownOf(result) };
    if (isJsonObject(result.task)) clientTasks.bind(request, result);
    return response;
  }

  close(): void {
    for (const id of this.#asked.keys()) this.cancel(id);
  }
}
