import type { ModelRequest, ModelResponse, SdkModel, SerializedTool, StreamEvent } from "./framework";

/** What an agent has to offer its model, as far as the model may learn of it. */
export interface Offer {
  /** Whether the agent may act at all. @throws {AuthorizationDeniedError} */
  receive(): Promise<void>;
  hiddenTools(names: readonly string[], signal?: AbortSignal): Promise<ReadonlySet<string>>;
  hiddenHandoffs(names: readonly string[]): Promise<ReadonlySet<string>>;
}

/**
 * The model of one agent, whatever a run is configured with: a model that the agent has comes before the run's. What may never be used is left
 * out of its requests, and stays where it is in the agent: the model may know of it all the same, and then reads why it is denied.
 */
export class OfferedModel implements SdkModel {
  constructor(
    /** Looks the model up, guarded. */
    private readonly model: () => Promise<SdkModel>,
    private readonly offer: Offer,
  ) {}

  async getResponse(request: ModelRequest): Promise<ModelResponse> {
    return (await this.model()).getResponse(await this.#shown(request));
  }

  async *getStreamedResponse(request: ModelRequest): AsyncIterable<StreamEvent> {
    yield* (await this.model()).getStreamedResponse(await this.#shown(request));
  }

  async getRetryAdvice(args: unknown): Promise<unknown> {
    return (await this.model()).getRetryAdvice?.(args);
  }

  async #shown(request: ModelRequest): Promise<ModelRequest> {
    await this.offer.receive();
    const { tools, handoffs, modelSettings } = request;
    const names = tools.filter(isFunction).map(({ name }) => name);
    const [hiddenTools, hiddenHandoffs] = await Promise.all([
      this.offer.hiddenTools(names, request.signal),
      this.offer.hiddenHandoffs(handoffs.map(({ toolName }) => toolName)),
    ]);
    if (hiddenTools.size + hiddenHandoffs.size === 0) return request;
    const shown = {
      tools: tools.filter((tool) => !isFunction(tool) || !hiddenTools.has(tool.name)),
      handoffs: handoffs.filter(({ toolName }) => !hiddenHandoffs.has(toolName)),
    };
    const { toolChoice, ...settings } = modelSettings;
    // A choice of what is not shown, or of nothing, makes no sense to the provider.
    const isVoid =
      shown.tools.length + shown.handoffs.length === 0 ||
      (typeof toolChoice === "string" && (hiddenTools.has(toolChoice) || hiddenHandoffs.has(toolChoice)));
    return { ...request, ...shown, modelSettings: isVoid ? settings : modelSettings };
  }
}

const isFunction = ({ type }: SerializedTool): boolean => type === "function";
