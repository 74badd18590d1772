import { textIn } from "../../core/classification";
import { AuthorizationDeniedError, denialError } from "../../core/errors";
import { snapshot, type JsonObject } from "../../core/json";
import type { Session } from "../../core/session";
import type { TokenUsage } from "../../core/usage";
import { decideHops } from "../shared/model-api/decide-hops";
import { CallUnderWay } from "../shared/model-api/followed-response";
import { modelHops } from "../shared/model-api/model-hops";
import type { ModelGuard } from "../shared/model-api/options";
import { UnreadableBodyError } from "../shared/model-api/request-body";
import { scanRequest } from "../shared/model-api/request-scan";
import { UnsupportedRequestError } from "../shared/model-api/unsupported-request";
import type { ModelRequest, ModelResponse, SdkModel, SerializedTool, StreamEvent } from "./framework";

/** A model of whatever provider, each call of which is decided before it is made, with the hosted tools and servers that it names. */
export class DecidedModel implements SdkModel {
  constructor(
    private readonly model: SdkModel,
    private readonly id: string,
    private readonly session: Session,
    private readonly guard: ModelGuard,
  ) {}

  /** @throws {AuthorizationDeniedError} with the denial, also one that comes while the model answers. */
  async getResponse(request: ModelRequest): Promise<ModelResponse> {
    const underWay = await this.#authorize(request, false);
    try {
      const response = await this.model.getResponse({ ...request, signal: underWay.signal });
      underWay.done(usageOf(response.usage));
      return response;
    } catch (error) {
      underWay.failed();
      throw underWay.denial ? denialError(underWay.denial) : error;
    }
  }

  /** Likewise; the stream ends with the error when authority is withdrawn. */
  async *getStreamedResponse(request: ModelRequest): AsyncIterable<StreamEvent> {
    const underWay = await this.#authorize(request, true);
    const events = this.model
      .getStreamedResponse({ ...request, signal: underWay.signal })
      [Symbol.asyncIterator]();
    const stream = new ReadableStream<StreamEvent>({
      pull: async (controller) => {
        const next = await events.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
      cancel: async () => {
        await events.return?.();
      },
    });
    let last: StreamEvent | undefined;
    yield* underWay.followStream(stream, {
      read: (event) => {
        if (event.type === "response_done") last = event;
      },
      get isOver() {
        return last !== undefined;
      },
      end: () => usageOf(last?.response?.usage),
    });
  }

  getRetryAdvice(args: unknown): unknown {
    return this.model.getRetryAdvice?.(args);
  }

  async #authorize(request: ModelRequest, isStream: boolean): Promise<CallUnderWay> {
    const { signal } = request;
    try {
      const body = bodyOf(request, isStream);
      const said = (): string => textIn(snapshot([request.systemInstructions ?? "", request.input]));
      const hops = modelHops(this.guard, this.guard.provider, "completion", this.id, {
        ...{ body, scan: scanRequest(body) },
        ...(this.session.countsUsage && { length: said().length }),
      });
      const allowed = await decideHops(this.session, hops, { ...(signal && { signal }), content: said });
      if (!allowed) throw new UnsupportedRequestError("The call is no hop that could be decided.");
      return new CallUnderWay(allowed, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (AuthorizationDeniedError.isInstance(error)) throw denialError(error.denial);
      throw await this.#undecidable(error);
    }
  }

  /** Denies, and records, what never became a hop. */
  async #undecidable(error: unknown): Promise<unknown> {
    const isKnown = error instanceof UnreadableBodyError || error instanceof UnsupportedRequestError;
    const code = error instanceof UnsupportedRequestError ? "unsupported_hop" : "arguments_invalid";
    const decision = await this.session.check(
      { kind: "llm_model", id: this.id, action: "completion" },
      { refuse: { code, ...(isKnown && { reason: error.message }) } },
    );
    // `refuse` never allows; the type does not know.
    return decision.effect === "allow" ? error : denialError(decision.denial);
  }
}

/** The request in the words of a wire, so that models, tools and servers are found as in every other. */
function bodyOf(request: ModelRequest, stream: boolean): JsonObject {
  const { input, modelSettings, tools, previousResponseId, conversationId, prompt } = request;
  const { maxTokens, providerData } = modelSettings;
  const settings = typeof providerData === "object" ? providerData : {};
  const said = {
    stream,
    ...(maxTokens !== undefined && { max_output_tokens: maxTokens }),
    // Counted, and not looked into: what an earlier model answered names no model of this call.
    input: typeof input === "string" ? input : input.map(() => null),
    tools: tools.map(declaration),
    ...(previousResponseId !== undefined && { previous_response_id: previousResponseId }),
    ...(conversationId !== undefined && { conversation: conversationId }),
    ...(prompt && { prompt: { id: prompt.promptId } }),
  };
  // Models put the provider's own settings in the place of what the SDK says: both are looked at.
  const replaced = Object.entries(settings ?? {}).filter(([name]) => Object.hasOwn(said, name));
  const body = { ...settings, ...said, provider_data: Object.fromEntries(replaced) };
  return snapshot(body) as JsonObject;
}

/** Whatever is no function runs at the provider. */
function declaration({ type, name, providerData }: SerializedTool): object {
  if (type === "function") return { type, name };
  return { ...providerData, type: providerData?.type ?? (type === "hosted_tool" ? name : type) };
}

/** `undefined` where it does not say both, so that what was reserved stands. */
function usageOf(usage: unknown): TokenUsage | undefined {
  const { inputTokens, outputTokens } = (usage ?? {}) as Readonly<Record<string, unknown>>;
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;
  // The SDK puts 0 for what a provider has not said.
  if (!isCount(inputTokens) || !isCount(outputTokens) || inputTokens + outputTokens === 0) return undefined;
  return { input_tokens: inputTokens, output_tokens: outputTokens };
}
