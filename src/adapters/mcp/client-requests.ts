import { AuthorizationDeniedError, denialError } from "../../core/errors";
import { isJsonObject } from "../../core/json";
import type { SettledOutcome } from "../../core/decision";
import type { Denial, DenyDecision, HopSnapshot } from "../../index";
import type { JointAllow } from "../shared/joint-decision";
import { withAssertion } from "./carried-assertion";
import { denialAnswer } from "./denial-message";
import {
  cancellation,
  isSuccess,
  paramsOf,
  type JsonRpcRequest,
  type JsonRpcResponse,
  type RequestId,
} from "./json-rpc";
import { CLIENT_REQUESTS } from "./methods";
import { withCheckedHeaders } from "./parameter-headers";
import { unsupported } from "./question";
import { askMeta, type Knowledge } from "./questions";
import type { Resumptions } from "./resumptions";
import { reviewError, reviewResult } from "./results";
import type { AsSender, ServerPolicy } from "./server-policy";
import type { Catalogue } from "./tool-catalogue";
import type { SendOptions } from "./transport";
import type { Wire } from "./wire";

/** What may be sent, and the word on it. */
interface Allowed extends JointAllow {
  readonly signed?: string;
}

interface Asked {
  readonly request: JsonRpcRequest;
  /** Asked for whoever sent the request, also when that takes its time. */
  readonly policy: ServerPolicy;
  /** Ends its check when the client gives up. */
  readonly controller: AbortController;
  state: "checking" | "sent" | "answered";
  allowed?: JointAllow;
  stopWatch?: () => void;
}

/** What the client has asked of the server: decided before it is sent, and the answer reviewed before the client sees it. */
export class ClientRequests {
  readonly #asked = new Map<RequestId, Asked>();

  constructor(
    private readonly wire: Wire,
    private readonly policy: ServerPolicy,
    private readonly catalogue: Catalogue,
    private readonly knowledge: Knowledge,
    private readonly resumptions: Resumptions,
    /** Whom tool calls are asserted to. */
    private readonly audience: string | undefined,
  ) {}

  /** Sends what is allowed, and answers by itself what is not. The check begins before the first `await`. */
  async send(request: JsonRpcRequest, options: SendOptions, sender?: AsSender): Promise<void> {
    const { id, method } = request;
    const policy = sender ? this.policy.of(sender) : this.policy;
    if (this.#asked.has(id)) {
      // Its answer would be reviewed as the answer to the first.
      const denial = await policy.deny(unsupported(method, "A request of this id is under way already."));
      throw new AuthorizationDeniedError(denial);
    }
    const asked: Asked = { request, policy, controller: new AbortController(), state: "checking" };
    this.#asked.set(id, asked);
    options.requestSignal?.addEventListener("abort", () => this.#forget(asked), { once: true });

    const decision = await this.#decide(asked, options);
    // Who has given up waits for no answer.
    if (!this.#isCurrent(asked) || options.requestSignal?.aborted) {
      if (decision?.effect === "allow") decision.settle("failed");
      this.#forget(asked);
      return;
    }
    if (decision?.effect === "deny") {
      this.#forget(asked);
      this.wire.deliver(denialAnswer(request, decision.denial));
      return;
    }
    asked.state = "sent";
    const withdrawn = decision && this.#watch(asked, decision);
    try {
      const sent = withCheckedArguments(request, decision?.hop);
      const message = decision?.signed === undefined ? sent : withAssertion(sent, decision.signed);
      const headed = withCheckedHeaders(options, sent, this.catalogue);
      const observed = this.resumptions.observe(request, headed);
      await this.wire.send(message, withdrawn ? endingWith(withdrawn, observed) : observed, decision);
    } catch (error) {
      // The client has the denial already.
      if (withdrawn?.aborted) return;
      this.#forget(asked, "failed");
      throw error;
    }
  }

  isUnderWay(id: RequestId): boolean {
    return this.#asked.has(id);
  }

  /** Whether the request was still being checked, so that the server knows nothing of it. */
  cancel(id: RequestId): boolean {
    const asked = this.#asked.get(id);
    if (asked) this.#forget(asked);
    return asked?.state === "checking";
  }

  /** Passes on the answer to a request that was sent. An answer to anything else is dropped. */
  receive(response: JsonRpcResponse, extra: unknown): void {
    const asked = this.#asked.get(response.id);
    if (asked?.state !== "sent") {
      this.wire.report(new Error("The server answered a request that it was not sent."));
      return;
    }
    asked.state = "answered";
    void this.#answer(asked, response, extra);
  }

  /** Nothing will be answered any more. */
  close(): void {
    for (const asked of this.#asked.values()) this.#forget(asked);
  }

  async #decide(
    { request, policy, controller: { signal } }: Asked,
    options: SendOptions,
  ): Promise<Allowed | DenyDecision | undefined> {
    if (options.resumptionToken !== undefined && !(await this.resumptions.allow(request, options))) {
      const reason = "This stream was not begun by the same request of this session.";
      return policy.checkAll([unsupported(request.method, reason)], signal);
    }
    const rule = CLIENT_REQUESTS.get(request.method);
    const beside = askMeta(request, this.knowledge);
    if (rule === "pass") return policy.checkAll(beside, signal);
    const questions = rule
      ? rule(request, this.knowledge)
      : [unsupported(request.method, "The guard does not know this method.")];
    // Without a pause where nothing has to be asked of the server, so that calls made together are checked together.
    const asked = questions instanceof Promise ? await questions : questions;
    const decision = await policy.checkAll([...asked, ...beside], signal);
    if (decision?.effect !== "allow" || request.method !== "tools/call") return decision;
    return this.audience === undefined ? decision : this.#signed(request, policy, decision, this.audience);
  }

  async #signed(
    { method }: JsonRpcRequest,
    policy: ServerPolicy,
    decision: JointAllow,
    audience: string,
  ): Promise<Allowed | DenyDecision | undefined> {
    try {
      return { ...decision, signed: await decision.assertion(audience) };
    } catch (error) {
      decision.settle("failed");
      this.wire.report(error);
      return policy.checkAll([unsupported(method, "The call could not be asserted to the server.")]);
    }
  }

  /** Without a pause where nothing has to be asked, so that answers and notifications keep their order. */
  async #answer(asked: Asked, response: JsonRpcResponse, extra: unknown): Promise<void> {
    const { request, policy } = asked;
    let answer = response;
    let isDone = isSuccess(response);
    try {
      const { catalogue, knowledge } = this;
      const review = { policy, catalogue, knowledge, signal: asked.controller.signal };
      if (isJsonObject(response.error)) {
        const reviewed = reviewError(response.error, review);
        if (reviewed) await reviewed;
      }
      const reviewed = isJsonObject(response.result)
        ? reviewResult(request, response.result, review)
        : undefined;
      const result = reviewed instanceof Promise ? await reviewed : reviewed;
      if (result) answer = { ...response, result };
    } catch (error) {
      isDone = false;
      answer = denialAnswer(request, await this.#denialFor(asked, error));
    }
    if (!this.#isCurrent(asked)) return;
    this.#settle(asked, answer, isDone);
    this.#forget(asked);
    this.wire.deliver(answer, extra);
  }

  /** A call that goes on is not done: of a task it is known later, and one that asks for input is made again. */
  #settle(asked: Asked, { result }: JsonRpcResponse, isDone: boolean): void {
    const { request, allowed } = asked;
    const { tasks } = this.knowledge;
    if (isJsonObject(result)) {
      tasks.hear(request, result);
      if (allowed && isDone && tasks.settleLater(request, result, allowed)) {
        delete asked.allowed;
        return;
      }
    }
    const goesOn = isDone && isJsonObject(result) && result.resultType === "input_required";
    allowed?.settle(goesOn ? "unknown" : isDone ? "done" : "failed");
  }

  /** Authority that is withdrawn ends a call that is under way: the client is told, and the server that nobody waits any more. */
  #watch(asked: Asked, allowed: JointAllow): AbortSignal {
    const withdrawal = new AbortController();
    asked.allowed = allowed;
    this.wire.allowed();
    asked.stopWatch = allowed.watch((denial) => {
      const { request } = asked;
      if (!this.#isCurrent(asked)) return;
      this.#forget(asked);
      this.wire.deliver(denialAnswer(request, denial));
      this.wire.send(cancellation(request.id)).catch((error: unknown) => this.wire.report(error));
      withdrawal.abort(denialError(denial));
    });
    return withdrawal.signal;
  }

  async #denialFor({ request, policy }: Asked, error: unknown): Promise<Denial> {
    if (AuthorizationDeniedError.isInstance(error)) return error.denial;
    return policy.deny(unsupported(request.method, "The server's answer could not be read."));
  }

  #isCurrent(asked: Asked): boolean {
    return this.#asked.get(asked.request.id) === asked;
  }

  #forget(asked: Asked, outcome: SettledOutcome = "unknown"): void {
    if (this.#isCurrent(asked)) this.#asked.delete(asked.request.id);
    asked.stopWatch?.();
    // Where an answer has settled it, this changes nothing.
    asked.allowed?.settle(outcome);
    asked.controller.abort();
  }
}

/** The server of revision 2026-07-28 takes the end of a request's own connection for its cancellation, and nothing else. */
function endingWith(withdrawn: AbortSignal, options: SendOptions): SendOptions {
  const { requestSignal } = options;
  return {
    ...options,
    requestSignal: requestSignal ? AbortSignal.any([requestSignal, withdrawn]) : withdrawn,
  };
}

/** What was checked is what is sent, defaults and coercions of a schema included. */
function withCheckedArguments(request: JsonRpcRequest, hop: HopSnapshot | undefined): JsonRpcRequest {
  if (hop?.attr.arguments === undefined) return request;
  const params = Object.freeze({ ...paramsOf(request), arguments: hop.attr.arguments });
  return Object.freeze({ ...request, params });
}
